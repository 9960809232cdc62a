import { RDSDataClient } from "@aws-sdk/client-rds-data";
import { drizzle } from "drizzle-orm/aws-data-api/pg";
import { migrate } from "drizzle-orm/aws-data-api/pg/migrator";
import { pgTable, uuid, text, integer, jsonb, timestamp, numeric, serial, varchar, pgEnum } from "drizzle-orm/pg-core";
import { eq, sql, gt, desc } from "drizzle-orm";
import assert from "node:assert/strict";

const db = drizzle(new RDSDataClient({ region: "us-east-1", endpoint: process.env.RDS_URL,
    credentials: { accessKeyId: "k", secretAccessKey: "s" } }), {
    database: process.env.RDS_DATABASE, resourceArn: process.env.RDS_CLUSTER, secretArn: process.env.RDS_SECRET });
const mood = pgEnum("mood", ["sad", "ok"]);
const people = pgTable("people", { id: uuid().primaryKey().defaultRandom(), name: text().notNull(),
    age: integer(), feels: mood(), tags: jsonb(), born: timestamp({ withTimezone: true }), worth: numeric({ precision: 12, scale: 2 }) });
const pets = pgTable("pets", { id: serial().primaryKey(), owner: uuid(), name: varchar({ length: 20 }).notNull() });

await migrate(db, { migrationsFolder: "migrations" });
await migrate(db, { migrationsFolder: "migrations" });
const [ann] = await db.insert(people).values({ name: "Ann", age: 40, tags: ["a", { b: 1 }], born: new Date("2000-01-02T03:04:05Z"), worth: "12.50" }).returning();
assert.equal(ann.name, "Ann"); assert.deepEqual(ann.tags, ["a", { b: 1 }]); assert.equal(ann.worth, "12.50");
await db.insert(people).values([{ name: "Bob", age: 20 }, { name: "Cy" }]);
await db.insert(pets).values({ owner: ann.id, name: "Rex" });
const joined = await db.select({ who: people.name, pet: pets.name }).from(people).leftJoin(pets, eq(pets.owner, people.id)).orderBy(desc(people.name));
assert.deepEqual(joined, [{ who: "Cy", pet: null }, { who: "Bob", pet: null }, { who: "Ann", pet: "Rex" }]);
assert.equal((await db.select().from(people).where(gt(people.age, 30))).length, 1);
await db.update(people).set({ age: sql`${people.age} + 1` }).where(eq(people.id, ann.id));
await db.transaction(async (tx) => { await tx.delete(pets); });
await assert.rejects(db.transaction(async (tx) => { await tx.delete(people); throw new Error("back"); }));
assert.equal((await db.select().from(people)).length, 3);
assert.equal((await db.select().from(pets)).length, 0);
const got = (await db.select().from(people).where(eq(people.id, ann.id)))[0];
assert.equal(got.age, 41);
assert.equal(got.born.toISOString(), "2000-01-02T03:04:05.000Z");
console.log("drizzle: migrations and queries: ok");
