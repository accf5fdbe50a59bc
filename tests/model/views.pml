/* Memory as threads that all store may see it: the rules of C++20 for relaxed, acquire and release operations and for
 * seq_cst fences, where a location has more than one writer (parked: readers store 1, the writer 0). history.pml, for
 * one writer, cannot say that.
 *
 * The stores to a location stand in its modification order, oldest first. A thread has a view: for each location the
 * first store that is not hidden from it. A load takes any store from there on, and moves the view there. A store goes
 * to ANY place behind the view, also before stores that were made earlier: that is what lets a late `parked = 0` undo a
 * 1, or be undone. A release store carries its thread's view, an acquire load takes it over. Seq_cst fences hand one
 * view from each to the next. Relaxed operations carry nothing, though a fence might make them: less order than C++ gives.
 *
 * Stores that every thread has left behind are forgotten, so that states stay few and a run may be long.
 */
#define AT(location, place) ((location) * PLACES + (place))
#define SEES(row, location) views[(row) * LOCATIONS + (location)]
/* Whose views there are: the threads', what the seq_cst fences handed on, what the lock of each futex word did, and
 * what each store carries. */
#define ORDER THREADS
#define KERNEL(word) (THREADS + 1 + (word))
#define STORED(location, place) (THREADS + 1 + WORDS + AT(location, place))
#define ROWS STORED(LOCATIONS, 0)

byte what[LOCATIONS * PLACES];
byte newest[LOCATIONS];         /* place of the last store; place 0 holds the initial zero */
byte views[ROWS * LOCATIONS];
bool gone[THREADS];             /* it will load nothing more */

#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* Used within atomic; zero in between. */
byte m_at, m_i, m_k, m_n;

/* What `giver` sees is seen by `taker` too. */
inline hand_over(giver, taker) {
    do
    :: m_i < LOCATIONS -> SEES(taker, m_i) = MAX(SEES(taker, m_i), SEES(giver, m_i)); m_i++
    :: else -> m_i = 0; break
    od
}
inline copy_store(location, from, to) {
    what[AT(location, to)] = what[AT(location, from)];
    do
    :: m_k < LOCATIONS -> SEES(STORED(location, to), m_k) = SEES(STORED(location, from), m_k); m_k++
    :: else -> m_k = 0; break
    od
}
inline clear_store(location, at) {
    what[AT(location, at)] = 0;
    do
    :: m_k < LOCATIONS -> SEES(STORED(location, at), m_k) = 0; m_k++
    :: else -> m_k = 0; break
    od
}
/* A store to place m_at, which is behind the thread's view; those from there on move up. */
inline place(thread, location, value) {
    assert(newest[location] + 1 < PLACES);
    newest[location]++;
    m_i = newest[location];
    do
    :: m_i > m_at -> copy_store(location, m_i - 1, m_i); m_i--
    :: else -> m_i = 0; break
    od;
    clear_store(location, m_at);
    do
    :: m_i < ROWS ->
        SEES(m_i, location) = (SEES(m_i, location) >= m_at -> SEES(m_i, location) + 1 : SEES(m_i, location));
        m_i++
    :: else -> m_i = 0; break
    od;
    what[AT(location, m_at)] = value;
    SEES(STORED(location, m_at), location) = m_at;
    SEES(thread, location) = m_at
}
/* Stores that all threads' views have left behind go. */
inline forget(location) {
    m_n = newest[location];
    do
    :: m_i < THREADS -> m_n = (!gone[m_i] && SEES(m_i, location) < m_n -> SEES(m_i, location) : m_n); m_i++
    :: else -> m_i = 0; break
    od;
    if
    :: m_n > 0 ->
        do
        :: m_i + m_n <= newest[location] -> copy_store(location, m_i + m_n, m_i); m_i++
        :: else -> break
        od;
        do
        :: m_i <= newest[location] -> clear_store(location, m_i); m_i++
        :: else -> m_i = 0; break
        od;
        do
        :: m_i < ROWS -> SEES(m_i, location) = (SEES(m_i, location) > m_n -> SEES(m_i, location) - m_n : 0); m_i++
        :: else -> m_i = 0; break
        od;
        newest[location] = newest[location] - m_n;
        m_n = 0
    :: else
    fi
}
inline forget_all() {
    do
    :: m_at < LOCATIONS -> forget(m_at); m_at++
    :: else -> break
    od;
    m_at = 0
}

/* The operations, each a step. A load leaves its value in `into`. */
inline pick(thread, location) {
    m_at = SEES(thread, location);
    do
    :: break
    :: m_at < newest[location] -> m_at++
    od;
    skip
}
inline load_relaxed(thread, location, into) {
    atomic {
        pick(thread, location);
        d_step { into = what[AT(location, m_at)]; SEES(thread, location) = m_at; m_at = 0; forget(location) }
    }
}
inline load_acquire(thread, location, into) {
    atomic {
        pick(thread, location);
        d_step {
            into = what[AT(location, m_at)];
            SEES(thread, location) = m_at;
            hand_over(STORED(location, m_at), thread);
            m_at = 0;
            forget_all()
        }
    }
}
inline store_relaxed(thread, location, value) {
    atomic {
        pick(thread, location);
        d_step { m_at++; place(thread, location, value); m_at = 0; forget(location) }
    }
}
/* What is stored with release here has one writer, so its stores go to the end. */
inline store_release(thread, location, value) {
    d_step {
        m_at = newest[location] + 1;
        place(thread, location, value);
        hand_over(thread, STORED(location, m_at));
        m_at = 0;
        forget(location)
    }
}
inline fence_seq_cst(thread) {
    d_step { hand_over(ORDER, thread); hand_over(thread, ORDER); forget_all() }
}
