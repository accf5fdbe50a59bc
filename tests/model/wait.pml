/* Park and wake: shm/wait.hpp, wait_any.hpp, and the wake of a new epoch in ring_writer.hpp, for one or two rings. The
 * board's parking page, and a RingWatch's own, are the same with another word in the place of `published`.
 *
 * A reader sleeps until it is woken; a sleep that nothing ends is an end state that Spin calls invalid. A reader ends when it
 * has all that is published and has seen each new epoch. So a complete search without an error says: whatever the writer
 * has published is read without help of a timeout.
 *
 * A futex call takes the kernel's lock of its word: comparing and falling asleep are one step, and a wake-up comes before
 * or after it (futex(2)). futex_waitv takes its words one after the other.
 *
 * Options   RINGS        1 or 2, each with a writer; readers park on all of them
 *           READERS      of them 1 or 2
 *           BATCHES      publications of the first ring's writer; the second's publishes once
 *           TIMEOUTS     that many sleeps of a reader may end by themselves at any time
 *           RESTART      the writer may end after any of its steps; a successor then makes a new epoch
 * Broken    PARKED_BEFORE_PUBLISHING NO_WRITER_FENCE NO_READER_FENCE NO_RECHECK NO_RAISE CLEAR_AFTER_RAISE
 *           RELAXED_RAISE RELAXED_WAKE_READ RELAXED_EPOCH_RAISE
 */
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#define WORDS RINGS
#define THREADS (RINGS + READERS)
#define LOCATIONS (4 * RINGS)
#define PLACES 14
#define PUBLISHED(r) (4 * (r))
#define PARKED(r) (4 * (r) + 1)
#define WAKE(r) (4 * (r) + 2)
#define HINT(r) (4 * (r) + 3)
#include "views.pml"

#ifdef RESTART
#define MAY_DIE if :: goto died :: true fi
#define EPOCHS 1
#else
#define MAY_DIE skip
#define EPOCHS 0
#endif

/* What the kernel keeps. */
bool queued[RINGS * READERS]; /* who sleeps, or is about to, on a word */
bool woken[READERS];
#define QUEUED(r, reader) queued[(r) * READERS + (reader)]

#define BATCHES_OF(r) (r == 0 -> BATCHES : 1)
byte total[RINGS]; /* what was published: what a reader must not sleep over */
bool ended[RINGS]; /* nobody will publish any more */

inline futex_wake_all(r) {
    d_step {
        hand_over(KERNEL(r), r);
        hand_over(r, KERNEL(r));
        i = 0;
        do
        :: i < READERS ->
            woken[i] = woken[i] || QUEUED(r, i);
            QUEUED(r, i) = false;
            i++
        :: else -> break
        od;
        i = 0;
        forget_all()
    }
}
/* One word of a sleep: sleepless becomes true where it is not what was read. */
inline futex_queue(r) {
    atomic {
        d_step { hand_over(KERNEL(r), me) };
        pick(me, WAKE(r));
        d_step {
            SEES(me, WAKE(r)) = m_at;
            sleepless = sleepless || what[AT(WAKE(r), m_at)] != wake[r];
            m_at = 0;
            hand_over(me, KERNEL(r));
            QUEUED(r, reader) = !sleepless;
            forget_all()
        }
    }
}

inline raise_wake(r) {
    wakes++;
#ifdef RELAXED_RAISE
    store_relaxed(r, WAKE(r), wakes);
#else
    store_release(r, WAKE(r), wakes); /* SYNC ring.wake: release store in wait.hpp */
#endif
    MAY_DIE
}
inline test_parked(r) { load_relaxed(r, PARKED(r), parked) }
inline wake_parked(r) {
#ifndef NO_WRITER_FENCE
    fence_seq_cst(r); /* SYNC ring.park: seq_cst fence in wait.hpp */
#endif
#ifndef PARKED_BEFORE_PUBLISHING
    test_parked(r);
#endif
    if
    :: parked == 0
    :: else ->
        parked = 0;
        MAY_DIE;
#ifndef CLEAR_AFTER_RAISE
        store_relaxed(r, PARKED(r), 0);
        MAY_DIE;
#endif
#ifndef NO_RAISE
        raise_wake(r);
#endif
#ifdef CLEAR_AFTER_RAISE
        store_relaxed(r, PARKED(r), 0);
#endif
        futex_wake_all(r);
        MAY_DIE
    fi
}

/* A writer and, after its end, its successor: the kernel's lock hands on what the one had seen to the other. */
proctype writer(byte r) {
    byte wakes, parked, i;
    do
    :: total[r] < BATCHES_OF(r) ->
#ifdef PARKED_BEFORE_PUBLISHING
        test_parked(r);
#endif
        atomic {
            total[r]++;
            /* SYNC ring.publish: release store in ring_writer.hpp; SYNC board.log: release store in board_writer.hpp;
             * SYNC watch.order: release store in ring_watch.hpp */
            store_release(r, PUBLISHED(r), total[r])
        };
        MAY_DIE;
        wake_parked(r)
    :: else -> break
    od;
died:
#ifdef RESTART
    parked = 0;
    /* SYNC ring.epoch: release store in ring_writer.hpp; SYNC board.epoch: release store in board_writer.hpp */
    store_release(r, HINT(r), 1);
    wakes++;
#ifdef RELAXED_EPOCH_RAISE
    store_relaxed(r, WAKE(r), wakes);
#else
    store_release(r, WAKE(r), wakes); /* SYNC ring.wake: release store in ring_writer.hpp, board_writer.hpp */
#endif
    futex_wake_all(r);
#endif
    skip;
    d_step { wakes = 0; ended[r] = true; gone[r] = true; forget_all() }
}

/* ready(): each ring's cursor, then its hint where the cursor brings nothing. What is there is read at once. */
inline look_at_cursor(r) {
    atomic {
        /* SYNC ring.publish: acquire load in ring_reader.hpp, ring_place.hpp;
         * SYNC board.log: acquire load in board_reader.hpp; SYNC watch.order: acquire load in ring_watch.hpp */
        load_acquire(me, PUBLISHED(r), got);
        news = got > read[r];
        read[r] = MAX(read[r], got);
        got = 0
    }
}
inline look_at_hint(r) {
#ifdef RESTART
    atomic {
        /* SYNC ring.epoch: acquire load in ring_reader.hpp, ring_place.hpp;
         * SYNC board.epoch: acquire load in board_reader.hpp */
        load_acquire(me, HINT(r), got);
        news = got > epoch[r];
        epoch[r] = MAX(epoch[r], got);
        got = 0
    }
#else
    skip
#endif
}
inline look_at(r) {
    look_at_cursor(r);
    if
    :: news
    :: else -> look_at_hint(r)
    fi
}
inline look() {
    look_at(0);
#if RINGS == 2
    if
    :: news
    :: else -> look_at(1)
    fi
#endif
}
inline declare_parked(r) {
#ifdef RELAXED_WAKE_READ
    load_relaxed(me, WAKE(r), wake[r]);
#else
    load_acquire(me, WAKE(r), wake[r]); /* SYNC ring.wake: acquire load in wait.hpp, wait_any.hpp */
#endif
    store_relaxed(me, PARKED(r), 1)
}
/* Nothing will come: who sleeps here may sleep on. */
#define AT_THE_END(r) (ended[r] && read[r] == total[r] && epoch[r] == EPOCHS)
#if RINGS == 2
#define ALL_READ (AT_THE_END(0) && AT_THE_END(1))
#else
#define ALL_READ AT_THE_END(0)
#endif
inline sleep() {
    futex_queue(0);
#if RINGS == 2
    if
    :: sleepless
    :: else -> futex_queue(1)
    fi;
#endif
    atomic {
        if
        :: sleepless
        :: woken[reader]
        :: ALL_READ
        :: !sleepless && timeouts > 0 -> timeouts--
        fi;
        skip;
        d_step {
            QUEUED(0, reader) = false;
            wake[0] = 0;
#if RINGS == 2
            QUEUED(1, reader) = false;
            wake[1] = 0;
#endif
            woken[reader] = false;
            sleepless = false
        }
    }
}
proctype sleeper(byte reader) {
    byte me = RINGS + reader;
    byte read[RINGS], epoch[RINGS], wake[RINGS];
    byte got, timeouts = TIMEOUTS;
    bool news, sleepless;
    do
    :: look();
        if
        :: news
        :: else ->
            declare_parked(0);
#if RINGS == 2
            declare_parked(1);
#endif
#ifndef NO_READER_FENCE
            fence_seq_cst(me); /* SYNC ring.park: seq_cst fence in wait.hpp, wait_any.hpp */
#endif
#ifndef NO_RECHECK
            look();
#endif
            if
            :: news
            :: else -> sleep()
            fi
        fi;
        if
        :: ALL_READ -> break
        :: else
        fi
    od;
    skip;
    d_step { gone[me] = true; news = false; forget_all() }
}
init {
    atomic {
        run writer(0);
#if RINGS == 2
        run writer(1);
#endif
        run sleeper(0);
#if READERS == 2
        run sleeper(1)
#endif
    }
}
