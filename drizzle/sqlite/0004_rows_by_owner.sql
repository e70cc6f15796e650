CREATE TABLE `row_ids` (
	`name` text PRIMARY KEY NOT NULL,
	`last` integer NOT NULL,
	`is_taken` integer NOT NULL
) STRICT;
--> statement-breakpoint
INSERT INTO `row_ids` VALUES ('todos', coalesce((SELECT `seq` FROM `sqlite_sequence` WHERE `name` = 'todos'), 0), 0);
--> statement-breakpoint
CREATE TABLE `__new_todos` (
	`id` integer NOT NULL,
	`user_id` integer NOT NULL,
	`title` text NOT NULL,
	`description` text,
	`done` integer DEFAULT false NOT NULL,
	`due_at` integer,
	`version` integer DEFAULT 1 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`user_id`, `id`),
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `__new_todos` (`id`, `user_id`, `title`, `description`, `done`, `due_at`, `version`, `created_at`, `updated_at`) SELECT `id`, `user_id`, `title`, `description`, `done`, `due_at`, `version`, `created_at`, `updated_at` FROM `todos` ORDER BY `user_id`, `id`;
--> statement-breakpoint
DROP TABLE `todos`;
--> statement-breakpoint
ALTER TABLE `__new_todos` RENAME TO `todos`;
--> statement-breakpoint
CREATE TRIGGER `todos_ids` AFTER INSERT ON `todos` BEGIN
	UPDATE `row_ids` SET `last` = new.`id`, `is_taken` = CASE WHEN `last` = new.`id` AND `is_taken` THEN raise(ABORT, 'todos.id is taken') ELSE 1 END
	WHERE `name` = 'todos' AND `last` <= new.`id`;
END;
--> statement-breakpoint
INSERT INTO `row_ids` VALUES ('tutorials', coalesce((SELECT `seq` FROM `sqlite_sequence` WHERE `name` = 'tutorials'), 0), 0);
--> statement-breakpoint
CREATE TABLE `__new_tutorials` (
	`id` integer NOT NULL,
	`user_id` integer NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`version` integer DEFAULT 1 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`user_id`, `id`),
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `__new_tutorials` (`id`, `user_id`, `name`, `description`, `version`, `created_at`, `updated_at`) SELECT `id`, `user_id`, `name`, `description`, `version`, `created_at`, `updated_at` FROM `tutorials` ORDER BY `user_id`, `id`;
--> statement-breakpoint
DROP TABLE `tutorials`;
--> statement-breakpoint
ALTER TABLE `__new_tutorials` RENAME TO `tutorials`;
--> statement-breakpoint
CREATE TRIGGER `tutorials_ids` AFTER INSERT ON `tutorials` BEGIN
	UPDATE `row_ids` SET `last` = new.`id`, `is_taken` = CASE WHEN `last` = new.`id` AND `is_taken` THEN raise(ABORT, 'tutorials.id is taken') ELSE 1 END
	WHERE `name` = 'tutorials' AND `last` <= new.`id`;
END;
