/* The board: a row's seqlock and the change log. shm/board_writer.hpp, board_reader.hpp; one file, one writer.
 *
 * A row is three words here: its version, the number of the change that wrote it, and BODY for all others. The change
 * number is stored in BODY too, so a word of another write is known.
 *
 * Options   CHANGES      writes, each of a row that Spin chooses
 *           KILL         the writer may end after any of its stores
 *           FINE         every load is a step of its own. Else a reader's call is one step, at any time between two
 *                        stores; ring.pml says why that leaves nothing out
 *           MAY_NAME_MORE  a row that did not change may be named, so that a broken log shows as a change that is missed
 * Broken    NO_STORE_FENCE NO_READ_FENCE NO_RECHECK NO_ODD_TEST RELAXED_OPEN RELAXED_CLOSE
 *           RELAXED_CURSOR RELAXED_CURSOR_READ NO_LOG_FENCE NO_LOG_RECHECK LOG_RECHECK_LATE LOG_BEFORE_THE_ROW
 *           CURSOR_BEFORE_THE_ROW
 */
#define ROWS 2
#define LOG_CAPACITY 4
#define STORES_MAX 64

#define VERSION(row) (3 * (row))
#define CHANGE(row) (3 * (row) + 1)
#define BODY(row) (3 * (row) + 2)
#define LOG(change) (3 * ROWS + 3 + (change) % LOG_CAPACITY)
#define CURSOR (3 * ROWS + 3 + LOG_CAPACITY)
#define HIGHEST (CURSOR + 1)
#define LOCATIONS (CURSOR + 2)
#include "history.pml"

/* What readers are judged by; no reader looks at it. */
#define WRITES (CHANGES + 1)
byte row_of[WRITES];                   /* by change */
byte wrote[(ROWS + 1) * WRITES];       /* the change that was a row's n-th write; 0 for none */
byte writes[ROWS + 1];
bool over;                             /* the writer has ended */
#define WROTE(row, version) wrote[(row) * WRITES + (version) / 2]

#ifdef FINE
#define PASS
#else
#define PASS atomic
#endif
#ifdef KILL
#define MAY_DIE if :: goto died :: true fi
#else
#define MAY_DIE skip
#endif

inline open_row() {
    d_step {
        writes[row]++;
        WROTE(row, 2 * writes[row]) = change;
        row_of[change] = row;
        STORE_RELAXED(VERSION(row), 2 * writes[row] - 1)
    };
    MAY_DIE
}
inline row_fence() {
#ifndef NO_STORE_FENCE
    d_step { FENCE_RELEASE } /* SYNC board.row: release fence in board_writer.hpp */
#else
    skip
#endif
}
inline write_row() {
    open_row();
    row_fence();
    d_step { STORE_RELAXED(CHANGE(row), change) };
    MAY_DIE;
    d_step { STORE_RELAXED(BODY(row), change) };
    MAY_DIE;
#ifdef RELAXED_CLOSE
    d_step { STORE_RELAXED(VERSION(row), 2 * writes[row]) };
#else
    d_step { STORE_RELEASE(VERSION(row), 2 * writes[row]) }; /* SYNC board.row: release store in board_writer.hpp */
#endif
    MAY_DIE
}
inline log_id() {
    d_step { STORE_RELAXED(LOG(change), row) };
    MAY_DIE
}
inline log_cursor() {
    if
    :: row > highest ->
        d_step { highest = row; STORE_RELAXED(HIGHEST, highest) };
        MAY_DIE
    :: else
    fi;
#ifdef RELAXED_CURSOR
    d_step { STORE_RELAXED(CURSOR, change) };
#else
    d_step { STORE_RELEASE(CURSOR, change) }; /* SYNC board.log: release store in board_writer.hpp */
#endif
    MAY_DIE
}
proctype writer() {
    byte change, row, highest;
    do
    :: change < CHANGES ->
        change++;
        if
        :: row = 1
        :: row = 2
        fi;
#if defined(LOG_BEFORE_THE_ROW)
        log_id();
        write_row();
        log_cursor()
#elif defined(CURSOR_BEFORE_THE_ROW)
        d_step { row_of[change] = row };
        log_id();
        log_cursor();
        write_row()
#else
        write_row();
        log_id();
        log_cursor()
#endif
    :: else -> break
    od;
died:
    skip;
    d_step { change = 0; row = 0; highest = 0; over = true }
}

/* What `seen` covers anyway is forgotten: fewer states, the same loads. */
#define FORGET pending = (pending <= seen -> 0 : pending)

/* A row that is accepted is one that was written whole, and at least as new as the reader's cursor says. */
inline accept_row() {
    d_step {
        whole = loaded_change == WROTE(r, before) && loaded_body == WROTE(r, before);
        assert(whole);
        do
        :: s <= since -> fresh = row_of[s] != r || loaded_change >= s; assert(fresh); s++
        :: else -> break
        od;
        whole = false; fresh = false; s = 0
    }
}
inline read_row() {
    PASS {
#ifdef RELAXED_OPEN
        atomic { load_relaxed(VERSION(r), 0); before = LOADED; opened = at; at = 0 };
#else
        atomic {
            load_acquire(VERSION(r), 0); /* SYNC board.row: acquire load in board_reader.hpp */
            before = LOADED;
            opened = at;
            at = 0
        };
#endif
        if
#ifndef NO_ODD_TEST
        :: before % 2 == 1 -> skip
#endif
        :: else ->
            atomic { load_relaxed(CHANGE(r), 0); loaded_change = LOADED; at = 0 };
            atomic { load_relaxed(BODY(r), 0); loaded_body = LOADED; at = 0 };
            atomic {
#ifndef NO_READ_FENCE
                FENCE_ACQUIRE; /* SYNC board.row: acquire fence in board_reader.hpp */
#endif
                load_relaxed(VERSION(r), opened);
                valid = LOADED == before;
#ifdef NO_RECHECK
                valid = true;
#endif
                at = 0
            };
            if
            :: valid -> accept_row()
            :: else
            fi
        fi;
        skip;
        d_step { r = 0; before = 0; opened = 0; loaded_change = 0; loaded_body = 0; valid = false; FORGET }
    }
}
inline scan() {
    rescanned = true;
    named = 0;
    atomic { load_relaxed(HIGHEST, 0); last = LOADED; at = 0 };
    r = 1;
    do
    :: r <= last ->
        atomic { load_relaxed(CHANGE(r), 0); named = (LOADED > since -> named | (1 << r) : named); at = 0 };
        r++
    :: else -> break
    od
}
/* No change behind the old cursor, up to the new one, is missing. Out of the log no other row is named. */
inline accept_changes() {
    d_step {
        s = since + 1;
        do
        :: s <= now -> due = due | (1 << row_of[s]); s++
        :: else -> break
        od;
        none_missing = (named & due) == due;
        assert(none_missing);
#ifndef MAY_NAME_MORE
        none_besides = rescanned || named == due;
        assert(none_besides);
#endif
        none_missing = false; none_besides = false;
        since = now;
        s = 0; now = 0; later = 0; named = 0; due = 0; last = 0; r = 0; rescanned = false; valid = false;
        FORGET
    }
}
inline list_log() {
    s = since + 1;
    do
    :: s <= now ->
        atomic {
            load_relaxed(LOG(s), 0);
            assert(LOADED != 0);
            named = named | (1 << LOADED);
            at = 0
        };
        s++
    :: else -> s = 0; break
    od;
    atomic {
#ifndef NO_LOG_FENCE
        FENCE_ACQUIRE; /* SYNC board.log: acquire fence in board_reader.hpp */
#endif
        load_relaxed(CURSOR, opened);
        later = LOADED;
        at = 0;
        opened = 0
    }
}
#ifdef LOG_RECHECK_LATE
#define OVERWRITTEN (later - since > LOG_CAPACITY)
#else
#ifdef NO_LOG_RECHECK
#define OVERWRITTEN false
#else
#define OVERWRITTEN (later - since >= LOG_CAPACITY)
#endif
#endif
inline changes() {
    PASS {
#ifdef RELAXED_CURSOR_READ
        atomic { load_relaxed(CURSOR, heard); now = LOADED; heard = at; at = 0 };
#else
        atomic {
            load_acquire(CURSOR, heard); /* SYNC board.log: acquire load in board_reader.hpp */
            now = LOADED;
            heard = at;
            at = 0
        };
#endif
        opened = heard;
        if
        :: now == since -> skip
        :: now - since >= LOG_CAPACITY -> scan()
        :: now > since && now - since < LOG_CAPACITY ->
            list_log();
            if
            :: OVERWRITTEN -> scan()
            :: else
            fi
        fi;
        opened = 0;
        accept_changes()
    }
}
proctype reader() {
    byte since;                            /* its cursor */
    byte seen, pending, heard;             /* history.pml */
    byte at, r, s, before, opened, loaded_change, loaded_body, now, later, named, due, last;
    bool valid, rescanned, whole, fresh, none_missing, none_besides;
    do
    :: changes()
    :: PASS { r = 1; read_row() }
    :: PASS { r = 2; read_row() }
    :: since == CHANGES -> break
#ifdef KILL
    :: over -> break
#endif
    od
}
init {
    atomic {
        run writer();
        run reader()
    }
}
