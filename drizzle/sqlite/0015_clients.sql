CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`name` text NOT NULL,
	`key_hash` text NOT NULL,
	`scope` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`last_used_at` integer,
	`revoked_at` integer
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_key_hash_unique` ON `api_keys` (`key_hash`);--> statement-breakpoint
CREATE INDEX `api_keys_user` ON `api_keys` (`user_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `api_keys_revoked` ON `api_keys` (`revoked_at`) WHERE revoked_at is not null;--> statement-breakpoint
CREATE INDEX `api_keys_expires` ON `api_keys` (`expires_at`);--> statement-breakpoint
CREATE TABLE `client_assertions` (
	`hash` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX `client_assertions_expires` ON `client_assertions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `clients` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`is_active` integer DEFAULT true NOT NULL,
	`auth_method` text NOT NULL,
	`secret_hash` text,
	`older_secret_hash` text,
	`jwks` text,
	`grant_types` text DEFAULT '' NOT NULL,
	`scope` text DEFAULT '' NOT NULL,
	`resources` text DEFAULT '' NOT NULL,
	`redirect_uris` text DEFAULT '' NOT NULL,
	`post_logout_redirect_uris` text DEFAULT '' NOT NULL,
	`id_token_algorithm` text DEFAULT 'RS256' NOT NULL,
	`is_first_party` integer DEFAULT false NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`deleted_at` integer
) STRICT;
--> statement-breakpoint
CREATE INDEX `clients_updated` ON `clients` (`updated_at`);--> statement-breakpoint
CREATE TABLE `revoked_tokens` (
	`jti` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL,
	`revoked_at` integer NOT NULL,
	`expires_at` integer NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX `revoked_tokens_client` ON `revoked_tokens` (`client_id`);--> statement-breakpoint
CREATE INDEX `revoked_tokens_revoked` ON `revoked_tokens` (`revoked_at`);--> statement-breakpoint
CREATE INDEX `revoked_tokens_expires` ON `revoked_tokens` (`expires_at`);--> statement-breakpoint
ALTER TABLE `events` ADD `actor_client_id` text;