ALTER TABLE `signing_keys` ADD `use` text DEFAULT 'access' NOT NULL;--> statement-breakpoint
ALTER TABLE `signing_keys` ADD `alg` text DEFAULT 'ES256' NOT NULL;