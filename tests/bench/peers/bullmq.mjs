// bullmq.mjs CASE COUNT: what BullMQ does with the cases of tests/bench/run.
// Prints one JSON object of figures.  REDIS_URL: a Redis nobody else uses.
import {FlowProducer, Queue, Worker} from 'bullmq';
import IORedis from 'ioredis';

const [part, amount] = [process.argv[2], Number(process.argv[3])];
const CONCURRENCY = 1000;
const connection = new IORedis(process.env.REDIS_URL,
    {maxRetriesPerRequest: null});
await connection.flushdb();
const queue = new Queue('bench', {connection});
const flows = new FlowProducer({connection});

// Jobs of a name that are done; 'reached' resolves at a number of them.
let wanted = Infinity;
let done = 0;
let reached = () => {};
const times = [];
function count(job) {
    times.push(job.finishedOn - job.timestamp);
    if (++done >= wanted) reached();
}

function worker(name, {concurrency = CONCURRENCY, work = async () => ({}),
                       counts = true} = {}) {
    const w = new Worker(name, work,
        {connection: connection.duplicate(), concurrency, autorun: false,
         removeOnComplete: {count: 0}});
    if (counts) w.on('completed', count);
    w.on('error', (error) => { console.error(error); process.exit(1); });
    return w;
}

function awaitDone(number) {
    done = 0;
    times.length = 0;
    wanted = number;
    return new Promise((resolve) => { reached = resolve; });
}

const seconds = (from) => (performance.now() - from) / 1000;
const bulk = (n) => queue.addBulk(
    Array.from({length: n}, () => ({name: 'noop', data: {}})));

async function fill(n) {
    for (let left = n; left > 0; left -= 100) await bulk(Math.min(left, 100));
}

async function noop() {
    await fill(amount);
    const all = awaitDone(amount);
    const from = performance.now();
    worker('bench').run();
    await all;
    return {noop: amount / seconds(from)};
}

const flow = (width) => ({name: 'root', queueName: 'join', data: {},
    children: Array.from({length: width},
        () => ({name: 'child', queueName: 'bench', data: {}}))});

// A flow is a root that runs when its children have.
async function fan() {
    worker('bench', {counts: false}).run();
    worker('join').run();
    const all = awaitDone(amount);
    const from = performance.now();
    for (let left = amount; left > 0; left -= 100) {
        await flows.addBulk(
            Array.from({length: Math.min(left, 100)}, () => flow(8)));
    }
    await all;
    return {fan: amount / seconds(from)};
}

async function wide() {
    worker('bench', {counts: false}).run();
    worker('join').run();
    const rates = [];
    for (let i = 0; i < amount; i++) {
        const all = awaitDone(1);
        const from = performance.now();
        await flows.add(flow(999));
        await all;
        rates.push(1000 / seconds(from));
    }
    return {wide: rates.sort((a, b) => a - b)[rates.length >> 1]};
}

async function atRate(perSecond, forSeconds) {
    const total = Math.floor(perSecond * forSeconds);
    const all = awaitDone(total);
    const from = performance.now();
    for (let sent = 0; sent < total;) {
        const due = Math.min(total, Math.floor(perSecond * seconds(from)));
        if (due > sent) await bulk(due - sent);
        sent = due;
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await all;
    times.sort((a, b) => a - b);
    return [times[total >> 1], times[Math.floor(total * 0.99)]];
}

async function open() {
    worker('bench').run();
    const all = awaitDone(5000);
    const from = performance.now();
    await fill(5000);
    await all;
    const capacity = 5000 / seconds(from);
    const found = {};
    for (const percent of [10, 50, 80]) {
        const [p50, p99] = await atRate(capacity * percent / 100, 5);
        found[`open_${percent}_p50`] = p50;
        found[`open_${percent}_p99`] = p99;
    }
    return found;
}

// Handlers that wait, all in one process: its memory before and with them.
async function suspended() {
    let running = 0;
    let most = 0;
    let peak = 0;
    await fill(amount);
    global.gc?.();
    const before = process.memoryUsage().rss;
    const all = awaitDone(amount);
    worker('bench', {concurrency: amount, work: async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 3000));
        peak = Math.max(peak, process.memoryUsage().rss);
        running--;
        return {};
    }}).run();
    await all;
    return {suspended: most, suspended_kb: (peak - before) / 1024 / amount};
}

console.log(JSON.stringify(
    await {noop, fan, wide, open, suspended}[part]()));
process.exit(0);
