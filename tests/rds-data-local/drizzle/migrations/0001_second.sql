CREATE TABLE "pets" ("id" serial PRIMARY KEY, "owner" uuid REFERENCES "people"("id"), "name" varchar(20) NOT NULL);
