CREATE TABLE `one_time_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`purpose` text NOT NULL,
	`user_id` integer NOT NULL,
	`target` text NOT NULL,
	`tries` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`created_by` integer,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX `one_time_tokens_user` ON `one_time_tokens` (`user_id`,`purpose`);--> statement-breakpoint
CREATE INDEX `one_time_tokens_target` ON `one_time_tokens` (`target`);--> statement-breakpoint
ALTER TABLE `outbox` ADD `token_id` text;--> statement-breakpoint
ALTER TABLE `users` ADD `pending_email_key` text;--> statement-breakpoint
ALTER TABLE `users` ADD `unproven_until` integer;--> statement-breakpoint
CREATE INDEX `users_pending_email` ON `users` (`pending_email_key`) WHERE pending_email_key is not null;