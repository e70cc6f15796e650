CREATE TABLE `__new_users` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`username` text,
	`username_key` text,
	`email` text,
	`email_key` text,
	`name` text,
	`password_hash` text,
	`role` text DEFAULT 'user' NOT NULL,
	`is_active` integer DEFAULT true NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`name_key` text,
	`auth_version` integer DEFAULT 0 NOT NULL,
	`email_verified_at` integer,
	`pending_email` text,
	`locale` text,
	`roles` text DEFAULT '' NOT NULL
) STRICT;
--> statement-breakpoint
INSERT INTO `__new_users`("id", "username", "username_key", "email", "email_key", "name", "password_hash", "role", "is_active", "created_at", "updated_at", "name_key") SELECT "id", "username", "username_key", "email", "email_key", "name", "password_hash", "role", "is_active", "created_at", "updated_at", "name_key" FROM `users`;--> statement-breakpoint
DELETE FROM `sqlite_sequence` WHERE `name` = '__new_users';--> statement-breakpoint
INSERT INTO `sqlite_sequence` (`name`, `seq`) SELECT '__new_users', `seq` FROM `sqlite_sequence` WHERE `name` = 'users';--> statement-breakpoint
DROP TABLE `users`;--> statement-breakpoint
ALTER TABLE `__new_users` RENAME TO `users`;--> statement-breakpoint
CREATE UNIQUE INDEX `users_username_key_unique` ON `users` (`username_key`);--> statement-breakpoint
CREATE UNIQUE INDEX `users_email_key_unique` ON `users` (`email_key`);--> statement-breakpoint
CREATE TRIGGER `users_names_insert` BEFORE INSERT ON `users` BEGIN
	SELECT raise(ABORT, 'users.username_key is the address of somebody else') FROM `users` WHERE `email_key` = new.`username_key`;
	SELECT raise(ABORT, 'users.email_key is the user name of somebody else') FROM `users` WHERE `username_key` = new.`email_key`;
END;
--> statement-breakpoint
CREATE TRIGGER `users_names_update` BEFORE UPDATE OF `username_key`, `email_key` ON `users`
WHEN new.`username_key` IS NOT old.`username_key` OR new.`email_key` IS NOT old.`email_key` BEGIN
	SELECT raise(ABORT, 'users.username_key is the address of somebody else') FROM `users` WHERE `email_key` = new.`username_key` AND `id` <> new.`id`;
	SELECT raise(ABORT, 'users.email_key is the user name of somebody else') FROM `users` WHERE `username_key` = new.`email_key` AND `id` <> new.`id`;
END;
