/* The ring: publish, read, lap, kill and restart. shm/ring_writer.hpp, ring_reader.hpp; following an epoch as
 * feedhandler/ring.py and feedhandler/native/conflate_input.hpp do. README.md has the table of steps and code.
 *
 * A record is two words here. BODY stands for the words that are stored once, by append(); its value names the call
 * of append() that stored it, so a copy can be told from any other record and from another draft of its own seq.
 * TAIL is the word that holds the flags and the delay, stored by append(), end_event() and publish().
 *
 * Options   READERS     1 or 2
 *           LAPS        2: twelve records in three batches, one of them longer than the ring; 1: six in two
 *           KILL        the writer may end after any of its stores
 *           RESTART     a successor makes the next epoch, and readers follow
 *           FINE        every load and store is a step of its own. Else a batch of the writer is one step, and a
 *                       reader's pass is not interrupted. That leaves nothing out: readers store nothing, a load may
 *                       return any store that is not hidden whenever it is made, so a pass spread out over the
 *                       writer's steps has no outcome that it has not at their end. FINE is the check of that.
 * Broken    NO_CLAIM_FENCE CLAIM_BY_RELEASE_STORE NO_READ_FENCE NO_READ_CHECK RELAXED_PUBLISH RELAXED_AVAILABLE
 *           PUBLISH_HALF NO_DRAIN_RECHECK RELAXED_READY
 * Not broken FOLLOW_THE_LIVING: follows by the next epoch's file alone, as the recorder's tap does
 */
#define CAPACITY 4
#define CLAIM_AHEAD 2 /* of 4, as the code's 32 of at least 64 */
#define EVENT_MAX 2   /* the code's capacity / 4 would be 1: no event of several records */

#define EPOCHS 2
#define SEQS 16 /* per epoch, and more than there are */
#define STORES_MAX 96

#define CLAIMED(e) (16 * (e))
#define PUBLISHED(e) (16 * (e) + 1)
#define VERSION(e) (16 * (e) + 2)
#define PREVIOUS_LAST(e) (16 * (e) + 3)
#define BODY(e, seq) (16 * (e) + 4 + 2 * (((seq) - 1) % CAPACITY))
#define TAIL(e, seq) (16 * (e) + 5 + 2 * (((seq) - 1) % CAPACITY))
#define LOCATIONS (16 * EPOCHS)
#include "history.pml"

/* TAIL's bits */
#define LAST 1
#define STAMPED 2
#define DRAFT 4

/* What readers are judged by; no reader looks at it. */
byte draft[EPOCHS * SEQS];
bool last[EPOCHS * SEQS];
byte cursor[EPOCHS]; /* the store that moved `published` last */
#define RECORD(e, seq) ((e) * SEQS + (seq))
#define WHOLE_TAIL(e, seq) (draft[RECORD(e, seq)] * DRAFT + STAMPED + last[RECORD(e, seq)])
#define FINAL(e) what[cursor[e]]

/* What the kernel keeps. */
bool locked[EPOCHS];
bool exists[EPOCHS];
bool over; /* no writer will come */

#ifdef FINE
#define IDLE true
#define PART
#define BEGIN_PASS skip
#define END_PASS skip
#else
byte pass; /* a reader is within one */
#define IDLE (pass == 0)
#define PART atomic
#define BEGIN_PASS atomic { IDLE -> pass = 1 }
#define END_PASS pass = 0
#endif

#ifdef KILL
#define MAY_DIE if :: goto died :: true fi
#else
#define MAY_DIE skip
#endif

/* The writer's own variables: there is one at a time. */
byte staged, claimed, published, event_start, drafts, seq;

inline claim(e) {
    d_step {
        claimed = staged + CLAIM_AHEAD - 1;
#ifdef CLAIM_BY_RELEASE_STORE
        STORE_RELEASE(CLAIMED(e), claimed);
#else
        STORE_RELAXED(CLAIMED(e), claimed);
#ifndef NO_CLAIM_FENCE
        FENCE_RELEASE; /* SYNC ring.claim: release fence in ring_writer.hpp */
#endif
#endif
    };
    MAY_DIE
}
inline append(e) {
    staged++;
    if
    :: staged - event_start > EVENT_MAX
    :: else ->
        if
        :: staged > claimed -> claim(e)
        :: else
        fi;
        d_step {
            drafts++;
            draft[RECORD(e, staged)] = drafts;
            last[RECORD(e, staged)] = false;
            STORE_RELAXED(BODY(e, staged), drafts)
        };
        MAY_DIE;
        d_step { STORE_RELAXED(TAIL(e, staged), drafts * DRAFT) };
        MAY_DIE
    fi
}
inline end_event(e) {
    if
    :: staged - event_start > EVENT_MAX -> staged = event_start; append(e) /* the SKIP */
    :: else
    fi;
    d_step {
        last[RECORD(e, staged)] = true;
        STORE_RELAXED(TAIL(e, staged), drafts * DRAFT + LAST);
        event_start = staged
    };
    MAY_DIE
}
#define DROP_EVENT staged = event_start
#ifdef PUBLISH_HALF
#define PUBLISHABLE staged
#else
#define PUBLISHABLE event_start
#endif
inline publish(e) {
    seq = published + 1;
    do
    :: seq <= PUBLISHABLE ->
        d_step { STORE_RELAXED(TAIL(e, seq), WHOLE_TAIL(e, seq)); seq++ };
        MAY_DIE
    :: else -> break
    od;
    skip;
    d_step {
        published = PUBLISHABLE;
#ifdef RELAXED_PUBLISH
        STORE_RELAXED(PUBLISHED(e), published);
#else
        STORE_RELEASE(PUBLISHED(e), published); /* SYNC ring.publish: release store in ring_writer.hpp */
#endif
        cursor[e] = length;
        seq = 0
    };
    MAY_DIE
}
/* The successor of a writer: the lock is its own, so it reads what the dead one left. */
inline create_epoch(e) {
    d_step {
        staged = 0; claimed = 0; published = 0; event_start = 0; drafts = 0; seq = 0;
        fenced = 0; /* what a fence of the dead was good for; less order than there is */
        locked[e] = true;
        STORE_RELAXED(PREVIOUS_LAST(e), FINAL(e - 1) + 1) /* plus 1: never zero */
    };
    MAY_DIE;
#ifdef RELAXED_READY
    d_step { STORE_RELAXED(VERSION(e), 1) };
#else
    d_step { STORE_RELEASE(VERSION(e), 1) }; /* SYNC ring.ready: release store in ring_writer.hpp */
#endif
    MAY_DIE;
    exists[e] = true; /* the rename; it orders nothing here */
    MAY_DIE
}

proctype writer() {
    byte epoch = 0;
    PART { IDLE; append(0); end_event(0); append(0); append(0); end_event(0); publish(0) };
#if LAPS == 2
    PART {
        IDLE; append(0); append(0); append(0); end_event(0);
        append(0); DROP_EVENT;
        append(0); append(0); end_event(0);
#ifdef PUBLISH_HALF
        append(0);
#endif
        publish(0)
    };
    PART {
        IDLE; append(0); end_event(0); append(0); append(0); end_event(0);
        append(0); end_event(0); append(0); append(0); end_event(0); publish(0)
    };
    assert(published == 3 * CAPACITY);
#else
    PART { IDLE; append(0); end_event(0); append(0); append(0); end_event(0); publish(0) };
#endif
died:
    atomic { IDLE; locked[epoch] = false };
#ifdef RESTART
    if
    :: epoch == 0 ->
        epoch = 1;
        PART { IDLE; create_epoch(1) };
        PART { IDLE; append(1); end_event(1); publish(1); append(1); append(1); end_event(1); publish(1) };
        goto died
    :: else
    fi;
#endif
    d_step { epoch = 0; staged = 0; claimed = 0; published = 0; event_start = 0; drafts = 0; seq = 0; over = true }
}

inline available(e) {
    atomic {
#ifdef RELAXED_AVAILABLE
        load_relaxed(PUBLISHED(e), published_floor);
#else
        /* SYNC ring.publish: acquire load in ring_reader.hpp, ring_check.hpp, ring_file.hpp */
        load_acquire(PUBLISHED(e), published_floor);
#endif
        d_step { published_floor = at; available_ = LOADED; at = 0 }
    }
}
inline still_valid(e, first) {
    atomic {
#ifndef NO_READ_FENCE
        FENCE_ACQUIRE; /* SYNC ring.claim: acquire fence in ring_reader.hpp, ring_file.hpp */
#endif
        load_relaxed(CLAIMED(e), claimed_floor);
        d_step {
            claimed_floor = at;
            valid = LOADED < first + CAPACITY;
#ifdef NO_READ_CHECK
            valid = true;
#endif
            at = 0
        }
    }
}
inline copy(e, which) {
    PART {
        atomic {
            load_relaxed(BODY(e, which), 0);
            d_step { torn = torn || LOADED != draft[RECORD(e, which)]; at = 0 }
        };
        atomic {
            load_relaxed(TAIL(e, which), 0);
            d_step { torn = torn || LOADED != WHOLE_TAIL(e, which); at = 0 }
        }
    }
}
/* The first record after the first LAST in [from, available_]. */
inline event_start_behind(e) {
    i = from;
    do
    :: i > available_ -> next = MAX(next, available_ + 1); break
    :: i <= available_ ->
        atomic {
            load_relaxed(TAIL(e, i), 0);
            if
            :: LOADED % 2 == LAST -> next = i + 1; at = 0; break
            :: else -> at = 0; i++
            fi
        }
    od
}
inline seek_half_back(e) {
    do
    :: PART {
            available(e);
            atomic {
                load_relaxed(CLAIMED(e), claimed_floor);
                d_step {
                    claimed_floor = at;
                    from = (LOADED > CAPACITY -> LOADED - CAPACITY + 1 : 1);
                    from = MAX(from, (available_ > CAPACITY / 2 -> available_ - CAPACITY / 2 : 1));
                    from = MAX(from, next);
                    at = 0
                }
            }
        };
        event_start_behind(e);
        if
        :: from > available_ -> break
        :: else ->
            still_valid(e, from);
            if
            :: valid -> break
            :: else
            fi
        fi
    od;
    skip;
    d_step { from = 0; i = 0; valid = false; available_ = 0 }
}
/* What `seen` covers anyway is forgotten: fewer states, the same loads. */
#define FORGET                                                             \
    pending = (pending <= seen -> 0 : pending);                            \
    published_floor = (published_floor <= seen -> 0 : published_floor);    \
    claimed_floor = (claimed_floor <= seen -> 0 : claimed_floor)
inline accept(e) {
    d_step {
        assert(!torn); /* every word of every record handed out is the one published for its seq */
        if
        :: count == max && next + count <= available_ -> /* whole_events() */
            i = count;
            do
            :: i > 0 && !last[RECORD(e, next + i - 1)] -> i--
            :: else -> break
            od;
            count = (i > 0 -> i : count)
        :: else
        fi;
        assert(last[RECORD(e, next + count - 1)]); /* no half event */
        next = next + count;
        accounted = accounted + count;
        i = 0; count = 0; available_ = 0; valid = false
    }
}
inline read(e) {
    PART {
        available(e);
        count = (next > available_ -> 0 : MIN(available_ - next + 1, max))
    };
    if
    :: count == 0 -> available_ = 0
    :: else ->
        do
        :: i < count -> PART { copy(e, next + i); i++ }
        :: else -> break
        od;
        i = 0;
        still_valid(e, next);
        if
        :: valid -> accept(e)
        :: else -> /* lapped() */
            d_step { torn = false; count = 0; before = next };
            seek_half_back(e);
            d_step {
                accounted = accounted + (next - before);
                assert(next == 1 || last[RECORD(e, next - 1)]); /* on at an event's start */
                before = 0
            }
        fi
    fi;
    d_step { FORGET }
}
/* Reads the locks and the files in an order that matters, so nothing here is one step. */
inline follow() {
    available(0);
    if
    :: next <= available_
    :: else ->
        if
#ifndef FOLLOW_THE_LIVING
        :: atomic { locked[0] -> skip }
#endif
        :: d_step {
#ifndef FOLLOW_THE_LIVING
                !locked[0];
#endif
                /* A dead writer's cursor does not move again: that is all that its lock tells. */
                published_floor = (locked[0] -> published_floor : cursor[0])
            };
            if
            :: atomic { !exists[1] -> skip }
            :: exists[1] ->
#ifndef NO_DRAIN_RECHECK
                available(0);
#endif
                if
                :: next <= available_
                :: else -> attach_following()
                fi
            fi
        fi
    fi;
    d_step { available_ = 0; FORGET }
}
inline attach_following() {
    atomic {
        load_acquire(VERSION(1), 0); /* SYNC ring.ready: acquire load in ring_reader.hpp */
        if
        :: LOADED == 0 -> at = 0 /* STARTING */
        :: else ->
            load_relaxed(PREVIOUS_LAST(1), 0);
            d_step {
                assert(LOADED == FINAL(0) + 1);  /* the header is whole */
                assert(next == FINAL(0) + 1);    /* the old epoch's tail was read, or known as lost */
                assert(accounted == FINAL(0));
                epoch = 1; next = 1; accounted = 0; at = 0; available_ = 0;
                published_floor = 0; claimed_floor = 0
            }
        fi
    };
    if
    :: epoch == 1 ->
        available(1);
        if
        :: available_ > CAPACITY / 2 -> seek_half_back(1); accounted = next - 1
        :: else
        fi
    :: else
    fi
}
/* No writer will come: what is published is read to the end, and the sum is right. */
inline finish(e) {
    published_floor = cursor[e];
    do
    :: next <= FINAL(e) -> BEGIN_PASS; read(e); END_PASS
    :: else -> break
    od;
    assert(accounted == FINAL(e))
}
proctype reader(byte max) {
    byte next = 1, accounted, epoch;                       /* accounted: records read plus records lost */
    byte seen, pending, published_floor, claimed_floor;    /* history.pml */
    byte at, available_, count, i, from, before;
    bool torn, valid;
    do
    :: epoch == 0 -> BEGIN_PASS; read(0); END_PASS
    :: epoch == 1 -> BEGIN_PASS; read(1); END_PASS
#ifdef RESTART
    :: epoch == 0 -> BEGIN_PASS; follow(); END_PASS
#endif
    :: atomic { IDLE && over -> skip }; break
    od;
    if
    :: epoch == 0 -> finish(0)
    :: epoch == 1 -> finish(1)
    fi
}
init {
    atomic {
        locked[0] = true;
        run writer();
        run reader(4);
#if READERS == 2
        run reader(2)
#endif
    }
}
