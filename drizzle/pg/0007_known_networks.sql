CREATE TABLE "known_networks" (
	"user_id" bigint NOT NULL,
	"network" text NOT NULL,
	"last_login_at" bigint NOT NULL,
	CONSTRAINT "known_networks_user_id_network_pk" PRIMARY KEY("user_id","network")
);
--> statement-breakpoint
ALTER TABLE "known_networks" ADD CONSTRAINT "known_networks_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "known_networks_network" ON "known_networks" USING btree ("network","last_login_at");--> statement-breakpoint
CREATE INDEX "known_networks_last_login" ON "known_networks" USING btree ("last_login_at");