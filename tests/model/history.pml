/* Memory as one writing thread leaves it and as other threads may see it: the rules of C++20 for relaxed, acquire
 * and release operations and for fences, on locations of which each has one writer. Writers that follow one another
 * (a ring's epochs: the lock lets one in after the other has ended) share a history.
 *
 * Every store is kept, in program order. A store has its value, the store before it to the same location, and its
 * `bound`: up to where somebody who synchronizes with this store has seen the history. That is the store itself if
 * it is a release store, else the last store before its writer's last release fence.
 *
 * A reading thread has variables of its own:
 *   seen     it has synchronized up to this store,
 *   pending  the greatest bound of the stores that it read from; an acquire fence makes it seen,
 *   floors   for a location that it reads again: the store that it read last (no thread sees a location go back).
 * A load takes any store to its location that these do not hide: old values, stores that overtook each other, loads
 * that did. What is too much of that the fences must forbid. Bounds and floors are the only order there is.
 */
byte what[STORES_MAX], bound[STORES_MAX], prev[STORES_MAX];
byte newest[LOCATIONS];  /* the last store to each location; 0, which stands for its initial zero, where none was */
byte length;             /* the last store */
byte fenced;             /* the last store before the last release fence */

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))

/* Stores are steps within a d_step. */
#define STORE(location, value, visible) \
    length++;                           \
    prev[length] = newest[location];    \
    newest[location] = length;          \
    what[length] = value;               \
    bound[length] = visible
#define STORE_RELAXED(location, value) STORE(location, value, fenced)
#define STORE_RELEASE(location, value) STORE(location, value, length)
#define FENCE_RELEASE fenced = length

/* Loads leave the store they took in `at`, and are used within atomic. */
#define LOADED what[at]
inline load_relaxed(location, floor) {
    at = newest[location];
    do
    :: break
    :: at > seen && at > floor -> at = prev[at]
    od;
    pending = MAX(pending, bound[at])
}
inline load_acquire(location, floor) {
    load_relaxed(location, floor);
    seen = MAX(seen, bound[at])
}
#define FENCE_ACQUIRE seen = MAX(seen, pending)
