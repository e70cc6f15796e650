CREATE TABLE `used_challenges` (
	`hash` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX `used_challenges_expires` ON `used_challenges` (`expires_at`);--> statement-breakpoint
ALTER TABLE `factors` ADD `credential_id` text;--> statement-breakpoint
ALTER TABLE `factors` ADD `public_key` text;--> statement-breakpoint
ALTER TABLE `factors` ADD `rp_id` text;--> statement-breakpoint
ALTER TABLE `factors` ADD `transports` text;--> statement-breakpoint
ALTER TABLE `factors` ADD `counter` integer;--> statement-breakpoint
ALTER TABLE `factors` ADD `is_backup_eligible` integer;--> statement-breakpoint
ALTER TABLE `factors` ADD `is_backed_up` integer;--> statement-breakpoint
CREATE UNIQUE INDEX `factors_credential_id_unique` ON `factors` (`credential_id`);