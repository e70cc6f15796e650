CREATE TABLE "data_keys" (
	"name" text PRIMARY KEY NOT NULL,
	"sealed_key" text NOT NULL,
	"sealed_at" bigint NOT NULL
);
