// graphile.mjs CASE COUNT: what graphile-worker does with the cases of
// tests/bench/run, in batches (localQueue, completeJobBatchDelay).  Prints one
// JSON object of figures.  DATABASE_URL: a database nobody else uses.
import {Logger, makeWorkerUtils, run} from 'graphile-worker';

const [part, amount] = [process.argv[2], Number(process.argv[3])];
const connectionString = process.env.DATABASE_URL;
const logger = new Logger(() => (level, message) => {
    if (level === 'error') console.error(message);
});
const utils = await makeWorkerUtils({connectionString, logger});
await utils.migrate();

const add = (n) => utils.addJobs(
    Array.from({length: n}, () => ({identifier: 'noop', payload: {}})));
for (let left = amount; left > 0; left -= 100) await add(Math.min(left, 100));

let done = 0;
let finish;
const all = new Promise((resolve) => { finish = resolve; });
const from = performance.now();
const runner = await run({
    connectionString, logger, concurrency: 48, noHandleSignals: true,
    preset: {worker: {localQueue: {size: 500}, completeJobBatchDelay: 0,
                      maxPoolSize: 10}},
    taskList: {noop: () => { if (++done === amount) finish(); }},
});
await all;
await runner.stop();  // Its completions are committed then.
console.log(JSON.stringify(
    {[part]: amount * 1000 / (performance.now() - from)}));
await utils.release();
process.exit(0);
