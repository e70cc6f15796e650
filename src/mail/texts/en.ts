import type { Purpose } from '../purposes.js'

/** The mails in English, in the format of MAIL_TEMPLATES. */
export const en: Record<Purpose | 'test', string> = {
  password_reset: `Subject: Set a new password for {service}

Somebody asked to set a new password for the account {name} at {service}. If it was you, go on within one hour:

[Set a new password]({link})

Or type this code where you asked for it:
{code}

A new password logs the account out everywhere. If it was not you, ignore this mail: nothing has changed, and nobody can change anything without it.
`,
  email_verification: `Subject: Confirm your address for {service}

The account {name} at {service} has given this address as its own. If the account is yours, confirm the address within 24 hours:

[Confirm the address]({link})

Or type this code where you are asked for it:
{code}

If you do not know the account, ignore this mail. Do not confirm it and tell nobody the code: the address stays unconfirmed.
`,
  email_change: `Subject: Confirm your new address for {service}

The account {name} at {service} is to have this address from now on. If the account is yours, confirm the address within 24 hours:

[Confirm the new address]({link})

Or type this code where you are asked for it:
{code}

If you do not know the account, ignore this mail: without a confirmation the address is not used.
`,
  login: `Subject: Log in to {service}

Somebody wants to log in to the account {name} at {service}. If it is you, type this code where you asked for it, within ten minutes:
{code}

If it was not you, ignore this mail and tell nobody the code: without it nobody gets in.
`,
  enrollment: `Subject: A second factor for {service}

Somebody has logged in to the account {name} at {service} with its password and is about to add a second factor, which the account needs. If it is you, type this code where you are asked for it, within an hour:
{code}

If it was not you, somebody knows your password: tell nobody the code, and choose another password.
`,
  invitation: `Subject: You are invited to {service}

An account at {service} was created for you. To use it, choose a password within seven days:

[Accept the invitation]({link})

Or type this code where you are asked for it:
{code}

If you did not expect this, ignore this mail.
`,
  account_exists: `Subject: You already have an account at {service}

Somebody tried to create an account at {service} with this address. The address already has an account: {name}. No new account was created.

If it was you, log in to this account. If you have forgotten the password, ask for a new one where you log in.

If it was not you, ignore this mail: nothing has changed.
`,
  password_changed: `Subject: Your password for {service} was changed

The password of the account {name} at {service} was changed at {time}. Other devices are logged out.

If it was you, all is well. If it was not you, immediately ask for a new password where you log in, and tell those who run {service}.
`,
  email_changed: `Subject: The address of your account at {service} was changed

The account {name} at {service} had this address until {time}. The account no longer has it, and mails about the account no longer come here.

If it was you, all is well. If it was not you, tell those who run {service} immediately.
`,
  email_undo: `Subject: The address of your account at {service} was changed

The account {name} at {service} had this address until {time}. The account no longer has it, and mails about the account no longer come here.

If it was you, all is well. If it was not you, take the change back within seven days. The account is then logged out everywhere; set a new password next:

[Take the change back]({link})

Or type this code where you are asked for it:
{code}
`,
  factor_added: `Subject: A second factor was added to your account at {service}

A second factor was added to the account {name} at {service} at {time}. From now on it is asked for beside the password.

If it was you, all is well. If it was not you, somebody has logged in to your account: immediately ask for a new password where you log in, and tell those who run {service}.
`,
  factor_removed: `Subject: A second factor was removed from your account at {service}

A second factor of the account {name} at {service} was removed at {time}.

If it was you, all is well. If it was not you, immediately ask for a new password where you log in, and tell those who run {service}.
`,
  recovery_codes_replaced: `Subject: New recovery codes for your account at {service}

New recovery codes were made for the account {name} at {service} at {time}. The earlier ones no longer work.

If it was you, all is well. If it was not you, immediately ask for a new password where you log in, and tell those who run {service}.
`,
  recovery_code_used: `Subject: A recovery code of your account at {service} was used

A recovery code of the account {name} at {service} was used at {time}.

If it was you, and your device is lost, remove it from the account and add another. If it was not you, immediately ask for a new password where you log in, and tell those who run {service}.
`,
  factor_attacked: `Subject: Somebody knows your password for {service}

Somebody has given wrong codes for the account {name} at {service} several times, last at {time}. No log-in succeeded, but a code is only asked for after the right password.

If it was you, all is well. If it was not you, change the password now.
`,
  test: `Subject: A test mail from {service}

This mail shows that {service} can send mail. You do not need to do anything.
`,
}
