CREATE TABLE `imported_ids` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`source` text NOT NULL,
	`kind` text NOT NULL,
	`old_id` text NOT NULL,
	`new_id` integer NOT NULL,
	`old_name` text,
	`not_before` integer
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX `imported_ids_old` ON `imported_ids` (`source`,`kind`,`old_id`);--> statement-breakpoint
CREATE INDEX `imported_ids_name` ON `imported_ids` (`source`,`old_name`);--> statement-breakpoint
CREATE INDEX `imported_ids_new` ON `imported_ids` (`kind`,`new_id`);--> statement-breakpoint
CREATE TABLE `imports` (
	`key` text PRIMARY KEY NOT NULL,
	`after` integer NOT NULL,
	`until` integer NOT NULL,
	`created_at` integer NOT NULL
) STRICT;
