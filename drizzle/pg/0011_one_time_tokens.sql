CREATE TABLE "one_time_tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"purpose" text NOT NULL,
	"user_id" bigint NOT NULL,
	"target" text NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"created_by" bigint
);
--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "token_id" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "pending_email_key" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "unproven_until" bigint;--> statement-breakpoint
ALTER TABLE "one_time_tokens" ADD CONSTRAINT "one_time_tokens_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "one_time_tokens_user" ON "one_time_tokens" USING btree ("user_id","purpose");--> statement-breakpoint
CREATE INDEX "one_time_tokens_target" ON "one_time_tokens" USING btree ("target");--> statement-breakpoint
CREATE INDEX "users_pending_email" ON "users" USING btree ("pending_email_key") WHERE pending_email_key is not null;