-- A user name must not be the address of somebody else, which no unique index can say. Transactions that run at once do not
-- see each other's rows, so an advisory lock ("LKEN") comes first. Most rows share it: a user name without an @ and an
-- address with one collide with nothing but the rare rows that have it for themselves.
CREATE FUNCTION refuse_shared_names() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	IF NEW.username_key LIKE '%@%' OR NEW.email_key NOT LIKE '%@%' THEN
		PERFORM pg_advisory_xact_lock(1280001358);
	ELSE
		PERFORM pg_advisory_xact_lock_shared(1280001358);
	END IF;
	IF EXISTS (SELECT 1 FROM users WHERE email_key = NEW.username_key AND id <> NEW.id) THEN
		RAISE unique_violation USING MESSAGE = 'the user name is the address of somebody else', CONSTRAINT = 'users_username_key_unique';
	END IF;
	IF EXISTS (SELECT 1 FROM users WHERE username_key = NEW.email_key AND id <> NEW.id) THEN
		RAISE unique_violation USING MESSAGE = 'the address is the user name of somebody else', CONSTRAINT = 'users_email_key_unique';
	END IF;
	RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER users_names_insert BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse_shared_names();
--> statement-breakpoint
CREATE TRIGGER users_names_update BEFORE UPDATE OF username_key, email_key ON users FOR EACH ROW
WHEN (NEW.username_key IS DISTINCT FROM OLD.username_key OR NEW.email_key IS DISTINCT FROM OLD.email_key)
EXECUTE FUNCTION refuse_shared_names();
