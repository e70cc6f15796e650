ALTER TABLE `sessions` ADD `repetitions` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `sessions` ADD `kind` text DEFAULT 'rotating' NOT NULL;