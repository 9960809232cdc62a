CREATE TYPE "mood" AS ENUM('sad', 'ok');
--> statement-breakpoint
CREATE TABLE "people" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"age" integer,
	"feels" "mood" DEFAULT 'ok',
	"tags" jsonb DEFAULT '[]'::jsonb,
	"born" timestamp with time zone,
	"worth" numeric(12, 2)
);
--> statement-breakpoint
CREATE INDEX "people_name" ON "people" ("name");
