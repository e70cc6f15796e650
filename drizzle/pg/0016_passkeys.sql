CREATE TABLE "used_challenges" (
	"hash" text PRIMARY KEY NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "factors" ADD COLUMN "credential_id" text;--> statement-breakpoint
ALTER TABLE "factors" ADD COLUMN "public_key" text;--> statement-breakpoint
ALTER TABLE "factors" ADD COLUMN "rp_id" text;--> statement-breakpoint
ALTER TABLE "factors" ADD COLUMN "transports" text;--> statement-breakpoint
ALTER TABLE "factors" ADD COLUMN "counter" bigint;--> statement-breakpoint
ALTER TABLE "factors" ADD COLUMN "is_backup_eligible" boolean;--> statement-breakpoint
ALTER TABLE "factors" ADD COLUMN "is_backed_up" boolean;--> statement-breakpoint
CREATE INDEX "used_challenges_expires" ON "used_challenges" USING btree ("expires_at");--> statement-breakpoint
ALTER TABLE "factors" ADD CONSTRAINT "factors_credential_id_unique" UNIQUE("credential_id");