ALTER TABLE "sessions" ALTER COLUMN "kind" SET DEFAULT 'api';--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "client_id" text DEFAULT 'latchkey' NOT NULL;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "scope" text;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "parent_id" text;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "amr" text DEFAULT 'pwd' NOT NULL;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "auth_time" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
UPDATE "sessions" SET "kind" = CASE "kind" WHEN 'rotating' THEN 'api' WHEN 'single' THEN 'compat' ELSE "kind" END, "auth_time" = "created_at";--> statement-breakpoint
CREATE INDEX "sessions_parent" ON "sessions" USING btree ("parent_id") WHERE parent_id is not null;