/* The engine's protocol: four tasks, two workers, a submitter, a broker.
 *
 *                 +--> 1 (fails once) ------+
 *     0 (plan) ---+                         +--> 3
 *                 +--> 2 (dies, optional) --+
 *
 * Every d_step is one transaction, one command of the broker or one fault, and
 * anything that can may happen between two of them.  'run' gives every name of
 * these lists a value:
 *
 *   how often a fault may happen
 *     CRASHES   a worker is killed, anywhere; another starts
 *     LEASES    a lease ends although its holder lives
 *     HIDES     a message is delivered again although its holder lives
 *     REPLIES   claim or settle commits, and its reply is lost
 *     BEATS     a beat is read late by the database
 *     DOUBLES   the broker doubles a message
 *     LOSSES    the broker loses a message
 *     DRAINS    a worker is told to stop, and hands its task back
 *     DEATHS    the submitter dies between two steps
 *
 *   what runs (0 or 1)
 *     KAFKA     a message is acked when its task is claimed
 *     REAP      somebody calls fleet.reap
 *     STRICT    task 2 is required: its death skips task 3
 *     PAY       handlers ask for what is paid for
 *
 *   rules that are broken (0 or 1): see where each is used.
 *
 * Left out: the clock (a lease is valid or not, a delay is over or not; what
 * else its readings promise is said where it is used), deadlines, cancel,
 * replay, batches, sizes, a handler's crash (a failure with a counter of its
 * own), and counters that reach their limit. */

#define NODES 4
#define JOIN 3 /* needs 1 and 2 */
#define NONE 15

/* --- what has to hold (hidden: no part of a state) ------------------------ */

hidden byte effect_once, join_once, join_not_early, charge_deserved,
    paid_under_lease, all_over, queue_empty;

inline check(property, holds)
{
    property = (holds);
    assert(property)
}

/* --- fleet.tasks, fleet.runs ---------------------------------------------- */

#define BLOCKED 0
#define READY 1
#define LEASED 2
#define RETRY_WAIT 3
#define SUCCEEDED 4 /* from here on terminal */
#define DEAD 5
#define SKIPPED 6
#define TERMINAL(n) (state[n] >= SUCCEEDED)

bool committed; /* fleet.submit has */
byte open = NODES;
byte state[NODES];
byte unmet[NODES];
byte fence[NODES];
bool settled[NODES]; /* settled_fence = fence */
byte owner[NODES];   /* 1 + worker; 0: an incarnation that is gone */
bool nonce[NODES];   /* is that of the message its owner is at */
bool valid[NODES];   /* lease_until > now */
bool due[NODES];     /* next_run_at <= now */
byte failures[NODES];

/* What really happened. */
bool lost[NODES]; /* the lease ended under its holder */
byte failed[NODES];
byte effects[NODES];
byte joins;

/* --- the broker ----------------------------------------------------------- */

#define FREE 0
#define WAITING 1
#define DELAYED 2
#define HELD 3
#define BELLS 3 /* of a task.  Two may be in workers' hands, so a ring that
                   finds no room has another of its kind before it. */
#define TASK(bell) ((bell) / BELLS)
#define ANY(n, is)                                                             \
    (bell[BELLS * n] is || bell[BELLS * n + 1] is || bell[BELLS * n + 2] is)

byte bell[NODES * BELLS];

/* --- a worker ------------------------------------------------------------- */

#define IDLE 0
#define CLAIMING 1
#define CLAIMED 2
#define RUNNING 3
#define SETTLING 4
#define RINGING 5
#define ENDING 6

#define SUCCEEDS 0 /* outcomes */
#define FAILS 1
#define DIES 2
#define INTERRUPTED 3

#define NOTHING 0 /* what the message is still to hear */
#define ACK 1
#define RELEASE 2

byte at[2];
byte message[2] = NONE; /* the handle, which may be an old one */
bool mine[2];           /* it is not */
byte run_fence[2];
byte outcome[2];
bool fenced[2];         /* by its clock its lease may have ended */
byte todo[2];           /* nodes to ring, a bit each */
byte end[2];
bool sibling_met[2];    /* SNAPSHOT: as the statement saw it */

/* A beat under way: whose (1 + worker), and what it names. */
byte beat_owner, beat_task, beat_fence;

byte crashes = CRASHES, leases = LEASES, hides = HIDES, replies = REPLIES,
     beats = BEATS, doubles = DOUBLES, losses = LOSSES, drains = DRAINS;
bool submitter_gone;

hidden byte i, b, n;

#define USABLE(b) (bell[b] == FREE && message[0] != b && message[1] != b)
#define KEEPS(w, b) (message[w] == b && mine[w] && !fenced[w])

/* A message is delayed until its task can be taken.  The submitter's first bell
 * comes after its commit, which it gives up after 20 of 30 s. */
#define DELAY_IS_OVER(n)                                                       \
    (!(state[n] == RETRY_WAIT && !due[n]) &&                                   \
     !(state[n] == LEASED && valid[n]) && (committed || submitter_gone))
#define RECEIVABLE(b)                                                          \
    (bell[b] == WAITING || bell[b] == DELAYED && DELAY_IS_OVER(TASK(b)))
#define COMES(n)                                                               \
    (RECEIVABLE(BELLS * n) || RECEIVABLE(BELLS * n + 1) ||                     \
     RECEIVABLE(BELLS * n + 2))

inline ring(node, how) /* queue_send */
{
    for (b : BELLS * (node) .. BELLS * (node) + BELLS - 1) {
        if
        :: USABLE(b) -> bell[b] = how; break
        :: else
        fi
    }
    b = NONE /* A loop must not be a d_step's last. */
}

/* --- the engine ----------------------------------------------------------- */

inline make_ready(node)
{
    state[node] = READY;
    check(join_not_early, node != JOIN || TERMINAL(1) && TERMINAL(2))
}

/* fleet.advance, of one need of 'node' */
inline met(node)
{
    if
    :: state[node] == BLOCKED && unmet[node] > 0 ->
        unmet[node]--;
        if
        :: unmet[node] == 0 -> make_ready(node)
        :: else
        fi
    :: else
    fi
}

inline met_join(w)
{
    if
    :: !SNAPSHOT -> met(JOIN)
    :: SNAPSHOT && sibling_met[w] -> make_ready(JOIN)
    :: else
    fi
}

/* fleet.advance, of task n that has ended.
 * SNAPSHOT: looks at the needs in the statement that settles one of them.
 * COUNTMSG: is called for every message, moved or not. */
inline advance(w)
{
    open--;
    if
    :: n == 0 -> met(1); met(2)
    :: n == 2 && STRICT && state[JOIN] == BLOCKED ->
        state[JOIN] = SKIPPED;
        open--
    :: n == 1 || n == 2 && !STRICT -> met_join(w)
    :: else
    fi;
    if
    :: open == 0 ->
        joins++;
        check(join_once, joins == 1);
        check(join_not_early, TERMINAL(0) && TERMINAL(1) && TERMINAL(2) &&
                                  TERMINAL(3))
    :: else
    fi
}

/* The bells of the dependants of n that are still ready: of fleet.answers and
 * of fleet.verdicts. */
inline ready_dependants(w)
{
    if
    :: n == 0 -> todo[w] = (state[1] == READY) * 2 + (state[2] == READY) * 4
    :: n == 1 || n == 2 -> todo[w] = (state[JOIN] == READY) * 8
    :: else
    fi
}

inline charge_loss(n)
{
    check(charge_deserved, lost[n]);
    lost[n] = false
}

/* fleet.lease: its conditions.
 * NOIDEMC: a repeated claim is told 'busy', like any other.
 * NOCLAIMDUE: what is due waits for somebody else to make it ready. */
#define AGAIN(n, w)                                                            \
    (state[n] == LEASED && owner[n] == w + 1 && nonce[n] && !NOIDEMC)
#define OPEN_TO_ALL(n)                                                         \
    (state[n] == READY || state[n] == LEASED && !valid[n] ||                   \
     state[n] == RETRY_WAIT && due[n] && !NOCLAIMDUE)
#define TAKES(n, w) (committed && (AGAIN(n, w) || OPEN_TO_ALL(n)))

/* fleet.lease: its update.
 * CHARGEATCLAIM: the attempt counts from here, and is refunded if it ends well.
 */
inline take(w)
{
    if
    :: AGAIN(n, w)
    :: else ->
        if
        :: state[n] == LEASED -> charge_loss(n)
        :: else
        fi;
        fence[n]++;
        settled[n] = false;
        failures[n] = failures[n] + CHARGEATCLAIM
    fi;
    state[n] = LEASED;
    owner[n] = w + 1;
    nonce[n] = true;
    valid[n] = true;
    due[n] = false;
    lost[n] = false
}

/* fleet.verdicts: for a bell that nothing was taken for.
 * DEADSILENT: the verdict 'dead' carries no bells. */
inline verdict(w)
{
    end[w] = ACK;
    if
    :: committed && TERMINAL(n) && !(DEADSILENT && state[n] == DEAD) ->
        ready_dependants(w)
    :: committed && (state[n] == LEASED || state[n] == RETRY_WAIT) ->
        end[w] = RELEASE
    :: else /* blocked: unblocking rings.  Unknown: nobody will commit. */
    fi
}

/* fleet.apply: its guard, and its update.
 * NOFENCE: what a worker says is done, whoever has the task. */
#define OURS(n, w) (fence[n] == run_fence[w] && owner[n] == w + 1)
#define APPLIES(n, w)                                                          \
    (NOFENCE ||                                                                \
     OURS(n, w) && !settled[n] && (state[n] == LEASED || state[n] == READY))

inline apply(w)
{
    settled[n] = true;
    valid[n] = false;
    lost[n] = false;
    failed[n] = failed[n] + (outcome[w] == FAILS || outcome[w] == DIES);
    if
    :: CHARGEATCLAIM && (outcome[w] == SUCCEEDS || outcome[w] == INTERRUPTED) ->
        failures[n]--
    :: !CHARGEATCLAIM && (outcome[w] == FAILS || outcome[w] == DIES) ->
        failures[n]++
    :: else
    fi;
    if
    :: outcome[w] == SUCCEEDS ->
        state[n] = SUCCEEDED;
        effects[n]++;
        check(effect_once, effects[n] == 1)
    :: outcome[w] == FAILS -> state[n] = RETRY_WAIT
    :: outcome[w] == DIES -> state[n] = DEAD
    :: outcome[w] == INTERRUPTED -> state[n] = READY
    fi;
    if
    :: TERMINAL(n) -> advance(w)
    :: else
    fi
}

/* fleet.answers: from the tasks as they are now, for a repeat too; and what the
 * worker makes of it (settle.c).
 * NOOWNRING: on Kafka nobody rings for a task that goes on.
 * STALEACK: one that comes too late acks all the same. */
inline answer(w, applied)
{
    if
    :: (applied) && TERMINAL(n) ->
        ready_dependants(w);
        end[w] = (KAFKA -> NOTHING : ACK)
    :: (applied) && !TERMINAL(n) && KAFKA ->
        todo[w] = (NOOWNRING -> 0 : 1 << n)
    :: (applied) && !TERMINAL(n) && !KAFKA -> end[w] = RELEASE
    :: !(applied) && STALEACK -> end[w] = ACK
    :: else
    fi
}

/* NOIDEMS: a repeated settle is told 'stale'. */
inline settle(w)
{
    n = TASK(message[w]);
    if
    :: APPLIES(n, w) -> apply(w); answer(w, true)
    :: else ->
        if
        :: COUNTMSG && (outcome[w] == SUCCEEDS || outcome[w] == DIES) ->
            advance(w)
        :: else
        fi;
        answer(w, OURS(n, w) && settled[n] && !NOIDEMS)
    fi
}

/* --- workers -------------------------------------------------------------- */

inline receive(w, node)
{
    for (b : BELLS * node .. BELLS * node + BELLS - 1) {
        if
        :: RECEIVABLE(b) -> break
        :: else
        fi
    }
    bell[b] = HELD;
    message[w] = b;
    mine[w] = true;
    at[w] = CLAIMING
}

/* A handler is told its attempt, and decides by it. */
inline start(w)
{
    run_fence[w] = fence[n];
    fenced[w] = false;
    outcome[w] = (n == 1 && failed[1] == 0 -> FAILS :
                 (n == 2 -> DIES : SUCCEEDS));
    at[w] = (KAFKA -> CLAIMED : RUNNING)
}

/* Done with a message: nobody will compare its nonce again, nor the owner of
 * what has been settled, so all are forgotten alike. */
inline forget(w)
{
    for (i : 0 .. NODES - 1) {
        if
        :: owner[i] == w + 1 ->
            nonce[i] = false;
            owner[i] = (state[i] == LEASED -> owner[i] : 0)
        :: else
        fi
    }
    message[w] = NONE;
    mine[w] = false;
    run_fence[w] = 0;
    outcome[w] = 0;
    fenced[w] = false;
    todo[w] = 0;
    end[w] = NOTHING;
    sibling_met[w] = false;
    at[w] = IDLE
}

/* Ring, then end the message (tail.c).  ACKFIRST: the other way round. */
inline proceed(w)
{
    if
    :: end[w] != NOTHING && (todo[w] == 0 || ACKFIRST) -> at[w] = ENDING
    :: todo[w] != 0 && (end[w] == NOTHING || !ACKFIRST) -> at[w] = RINGING
    :: else -> forget(w)
    fi
}

inline claim(w)
{
    n = TASK(message[w]);
    if
    :: TAKES(n, w) -> take(w); start(w)
    :: else -> verdict(w); proceed(w)
    fi
}

inline ring_one(w)
{
    for (i : 0 .. NODES - 1) {
        if
        :: todo[w] & (1 << i) -> break
        :: else
        fi
    }
    /* Its own: for when it is due. */
    ring(i, (i == TASK(message[w]) -> DELAYED : WAITING));
    todo[w] = todo[w] - (1 << i);
    proceed(w)
}

/* 'works': by an old handle, too (SQS; not Redis). */
inline end_message(w, works)
{
    b = message[w];
    if
    :: end[w] == ACK && (mine[w] || works) -> bell[b] = FREE
    :: end[w] == RELEASE && mine[w] && bell[b] == HELD -> bell[b] = DELAYED
    :: else
    fi;
    end[w] = NOTHING;
    proceed(w)
}

/* kill -9: its owner id is never seen again. */
inline crash(w)
{
    crashes--;
    for (i : 0 .. NODES - 1) {
        owner[i] = (owner[i] == w + 1 -> 0 : owner[i]);
        nonce[i] = nonce[i] && owner[i] != 0
    }
    beat_owner = (beat_owner == w + 1 -> 0 : beat_owner);
    forget(w)
}

#define LOSES_REPLY(w)                                                         \
    (at[w] == CLAIMING && replies > 0 && TAKES(TASK(message[w]), w))
#define SETTLES(w) (at[w] == SETTLING || at[w] == RUNNING && !SNAPSHOT)
#define SIBLING(n) (3 - n)

/* Two idle workers are alike, unless one is remembered: the first one goes. */
#define REMEMBERED                                                             \
    (owner[0] != 0 || owner[1] != 0 || owner[2] != 0 || owner[3] != 0 ||       \
     beat_owner != 0)
#define NEXT(w) (at[w] == IDLE && (w == 0 || at[0] != IDLE || REMEMBERED))

proctype worker(byte w)
{
    do
    :: d_step { NEXT(w) && COMES(0) -> receive(w, 0) }
    :: d_step { NEXT(w) && COMES(1) -> receive(w, 1) }
    :: d_step { NEXT(w) && COMES(2) -> receive(w, 2) }
    :: d_step { NEXT(w) && COMES(3) -> receive(w, 3) }

    :: d_step { at[w] == CLAIMING -> claim(w) }
    /* No reply: it claims again, with the same nonce... */
    :: d_step { LOSES_REPLY(w) ->
        n = TASK(message[w]); take(w); replies-- }
    /* ... or has to stop, and gives the message back. */
    :: d_step { LOSES_REPLY(w) ->
        n = TASK(message[w]); take(w); replies--;
        bell[message[w]] = DELAYED; forget(w) }
    :: d_step { at[w] == CLAIMED -> /* ack_early() */
        bell[message[w]] = FREE; mine[w] = false; at[w] = RUNNING }

    /* NOSELFFENCE: its clock does not keep it from paying. */
    :: d_step { PAY && at[w] == RUNNING && (!fenced[w] || NOSELFFENCE) ->
        n = TASK(message[w]);
        check(paid_under_lease, state[n] == LEASED && OURS(n, w)) }
    :: d_step { at[w] == RUNNING && drains > 0 &&
                outcome[w] != INTERRUPTED ->
        outcome[w] = INTERRUPTED; drains-- }

    :: d_step { SNAPSHOT && at[w] == RUNNING ->
        n = TASK(message[w]);
        sibling_met[w] = (n == 1 || n == 2) && TERMINAL(SIBLING(n));
        at[w] = SETTLING }
    :: d_step { SETTLES(w) -> settle(w); proceed(w) }
    :: d_step { SETTLES(w) && replies > 0 ->
        settle(w); todo[w] = 0; end[w] = NOTHING; replies--;
        at[w] = SETTLING }

    :: d_step { at[w] == RINGING -> ring_one(w) }
    :: d_step { at[w] == ENDING -> end_message(w, true) }
    :: d_step { at[w] == ENDING && end[w] == ACK && !mine[w] ->
        end_message(w, false) }

    :: d_step { crashes > 0 && at[w] != IDLE -> crash(w) }
    od
}

/* --- heartbeat, clock and reaper: what happens to a task ------------------ */

/* fleet.beat, read late.
 * BEATLATE: extends by fence and owner, whatever state the task is in.
 * BEATBLIND: hands back what it does not name, also claims it can't know of. */
inline late_beat()
{
    n = beat_task;
    if
    :: n != NONE && fence[n] == beat_fence && owner[n] == beat_owner &&
       (state[n] == LEASED || BEATLATE) ->
        state[n] = LEASED;
        valid[n] = true;
        lost[n] = false;
        fenced[beat_owner - 1] = false
    :: n != NONE && (fence[n] != beat_fence || owner[n] != beat_owner) &&
       message[beat_owner - 1] != NONE && TASK(message[beat_owner - 1]) == n &&
       at[beat_owner - 1] == RUNNING && run_fence[beat_owner - 1] == beat_fence
       -> forget(beat_owner - 1) /* MAIL_LOST */
    :: else
    fi;
    for (i : 0 .. NODES - 1) {
        if
        :: BEATBLIND && state[i] == LEASED && owner[i] == beat_owner &&
           !(i == beat_task && fence[i] == beat_fence) ->
            state[i] = READY;
            ring(i, WAITING)
        :: else
        fi
    }
    beat_owner = 0;
    beat_task = 0;
    beat_fence = 0
}

proctype heartbeat(byte w)
{
    do
    :: d_step { beats > 0 && beat_owner == 0 &&
                (at[w] == RUNNING || BEATBLIND) ->
        beats--;
        beat_owner = w + 1;
        beat_task = (at[w] == RUNNING -> TASK(message[w]) : NONE);
        beat_fence = run_fence[w] }
    :: d_step { beat_owner == w + 1 -> late_beat() }
    od
}

/* A live owner has it without knowing: the reply of its claim was lost. */
#define UNNAMED(n) (state[n] == LEASED && owner[n] != 0 && !nonce[n])

#define WILL_RING(n)                                                           \
    (n == 0 && !submitter_gone || (todo[0] | todo[1]) & (1 << n))

proctype task(byte n_)
{
    do
    /* The holder is gone: its lease ends some time. */
    :: d_step { state[n_] == LEASED && valid[n_] && owner[n_] == 0 ->
        valid[n_] = false; lost[n_] = true }
    :: d_step { leases > 0 && state[n_] == LEASED && valid[n_] &&
                owner[n_] != 0 && nonce[n_] ->
        leases--;
        valid[n_] = false; lost[n_] = true; fenced[owner[n_] - 1] = true }
    /* fleet.hand_back: comes long before the lease ends.
     * NOHANDBACK: it does not.  BEATALL: a beat extends all of its owner's. */
    :: d_step { UNNAMED(n_) && !NOHANDBACK && !BEATALL ->
        state[n_] = READY; ring(n_, WAITING) }
    :: d_step { UNNAMED(n_) && NOHANDBACK && valid[n_] -> valid[n_] = false }

    :: d_step { state[n_] == RETRY_WAIT && !due[n_] -> due[n_] = true }

    /* fleet.reap: rings 30 s after somebody else should have. */
    :: d_step { REAP && state[n_] == LEASED && !valid[n_] ->
        charge_loss(n_); state[n_] = READY; ring(n_, WAITING) }
    :: d_step { REAP && !ANY(n_, != FREE) && !WILL_RING(n_) &&
                (state[n_] == READY || state[n_] == RETRY_WAIT && due[n_]) ->
        ring(n_, WAITING) }
    od
}

/* --- what happens to a message -------------------------------------------- */

inline deliver_again(b_)
{
    bell[b_] = WAITING;
    mine[0] = mine[0] && message[0] != b_;
    mine[1] = mine[1] && message[1] != b_
}

proctype broker(byte b_)
{
    do
    /* Nobody extends it any more. */
    :: d_step { bell[b_] == HELD && !KEEPS(0, b_) && !KEEPS(1, b_) ->
        deliver_again(b_) }
    :: d_step { hides > 0 && bell[b_] == HELD &&
                (KEEPS(0, b_) || KEEPS(1, b_)) ->
        hides--; deliver_again(b_) }
    :: d_step { doubles > 0 && bell[b_] == WAITING ->
        doubles--; ring(TASK(b_), WAITING) }
    :: d_step { losses > 0 && (bell[b_] == WAITING || bell[b_] == DELAYED) ->
        losses--; bell[b_] = FREE }
    od
}

/* --- the submitter (alexctl/submitter.c) ---------------------------------- */

/* NOINSURANCE: it sends no delayed bell before it commits. */
proctype submitter()
{
    d_step {
        if
        :: !NOINSURANCE -> ring(0, DELAYED)
        :: else
        fi
    }
    if
    :: d_step { committed = true; state[0] = READY }
    :: DEATHS > 0 -> goto gone
    fi;
    if
    :: d_step { ring(0, WAITING) }
    :: DEATHS > 0
    fi;
gone:
    submitter_gone = true
}

/* --- the end: nothing can happen any more --------------------------------- */

proctype monitor()
{
    timeout -> d_step {
        check(all_over, !committed ||
              TERMINAL(0) && TERMINAL(1) && TERMINAL(2) && TERMINAL(3) &&
              joins == 1);
        check(queue_empty, !ANY(0, != FREE) && !ANY(1, != FREE) &&
                               !ANY(2, != FREE) && !ANY(3, != FREE));
        for (i : 0 .. NODES - 1) {
            check(charge_deserved, failures[i] == failed[i])
        }
    }
}

init {
    atomic {
        unmet[1] = 1;
        unmet[2] = 1;
        unmet[3] = 2;
        run submitter();
        run worker(0);
        run worker(1);
        run heartbeat(0);
        run heartbeat(1);
        for (i : 0 .. NODES - 1) {
            run task(i)
        }
        for (i : 0 .. NODES * BELLS - 1) {
            run broker(i)
        }
        run monitor()
    }
}
