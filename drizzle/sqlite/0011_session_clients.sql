CREATE TABLE `__new_sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`generation` integer DEFAULT 0 NOT NULL,
	`ip` text NOT NULL,
	`user_agent` text,
	`created_at` integer NOT NULL,
	`last_used_at` integer NOT NULL,
	`idle_expires_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`token_expires_at` integer NOT NULL,
	`revoked_at` integer,
	`repetitions` integer DEFAULT 0 NOT NULL,
	`kind` text DEFAULT 'api' NOT NULL,
	`client_id` text DEFAULT 'latchkey' NOT NULL,
	`scope` text,
	`parent_id` text,
	`amr` text DEFAULT 'pwd' NOT NULL,
	`auth_time` integer DEFAULT 0 NOT NULL
) STRICT;
--> statement-breakpoint
INSERT INTO `__new_sessions`("id", "user_id", "generation", "ip", "user_agent", "created_at", "last_used_at", "idle_expires_at", "expires_at", "token_expires_at", "revoked_at", "repetitions", "kind", "auth_time") SELECT "id", "user_id", "generation", "ip", "user_agent", "created_at", "last_used_at", "idle_expires_at", "expires_at", "token_expires_at", "revoked_at", "repetitions", CASE "kind" WHEN 'rotating' THEN 'api' WHEN 'single' THEN 'compat' ELSE "kind" END, "created_at" FROM `sessions`;--> statement-breakpoint
DROP TABLE `sessions`;--> statement-breakpoint
ALTER TABLE `__new_sessions` RENAME TO `sessions`;--> statement-breakpoint
CREATE INDEX `sessions_user` ON `sessions` (`user_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `sessions_revoked` ON `sessions` (`revoked_at`) WHERE revoked_at is not null;--> statement-breakpoint
CREATE INDEX `sessions_token_expires` ON `sessions` (`token_expires_at`);--> statement-breakpoint
CREATE INDEX `sessions_parent` ON `sessions` (`parent_id`) WHERE parent_id is not null;