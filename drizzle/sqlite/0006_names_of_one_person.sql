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
