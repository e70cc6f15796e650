ALTER TABLE "signing_keys" ADD COLUMN "use" text DEFAULT 'access' NOT NULL;--> statement-breakpoint
ALTER TABLE "signing_keys" ADD COLUMN "alg" text DEFAULT 'ES256' NOT NULL;