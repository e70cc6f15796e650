// Which columns of a foreign table of users say that somebody may not log in. The names come in any case and spelling
// (deleted_at, DeleteAt, isdeleted, " is_active"), so a name is cut into words, and the words are looked up.

/**
 * How the values of a status column are read. `disabled`: anything but a clear no keeps the person out. `disabledUntil`:
 * only a time that is over is a no, too. `active`: anything but a clear yes keeps the person out. `activeUntil`: a time that
 * is over keeps the person out. `status`: words such as active and banned. `unclear`: the operator has to say.
 */
export type StatusKind = 'disabled' | 'disabledUntil' | 'active' | 'activeUntil' | 'status' | 'unclear'

const words = (text: string) => new Set(text.trim().split(/\s+/))

/** What is deleted is nobody's any more: a person who may not log in, a row that its owner did not see. */
export const DELETED = words(`deleted delete deletion del removed remove discarded discard trashed trash purged erased
  destroyed gelöscht eliminado borrado supprimé 삭제`)
const DISABLED = new Set([
  ...DELETED,
  ...words(`banned ban locked lock lockout suspended suspend suspension
  disabled disable blocked block archived archive inactive inactivated deactivated deactivate deactivation frozen freeze
  expired terminated terminate termination closed cancelled canceled revoked withdrawn
  withdrawal dormant rejected denied blacklisted blacklist spam spammer retired resigned invalid
  unregistered kicked excluded forbidden prohibited barred quarantined deceased gesperrt bloqueado inactivo
  inativo bloqué inactif 탈퇴 정지 차단 잠금 휴면 비활성 비활성화 해지 제명`),
])
const ACTIVE =
  words(`active activated enabled enable approved approval allowed valid permitted authorized authorised activo
  ativo actif aktiv 활성 활성화 승인`)
const STATUS = words('status state lifecycle estado statut zustand 상태')
/** Of a row these may say that it is deleted; other words of ACTIVE are about its content. */
const IN_USE = words('active activo ativo actif aktiv 활성 use 사용')
/** Whether these keep anybody out differs from one application to the next. */
const UNCLEAR = words(`confirmed pending unconfirmed unverified unapproved restricted flagged hold onhold paused staged
  suspicious compromised`)
const EXPIRY = words('expires expire expiry expiration 만료')
const UNTIL = words('until till end ends to thru through')
const NEGATION = words('non not no')
const AFFIXES = words(`is has was been are account user member membership customer person profile login signin
  credentials at on date datetime time timestamp ts day flag flg yn bool ind soft hard permanently permanent temporarily
  temporary temp auto self by admin out reason id cd utc tz 여부 일 일시 일자 계정 회원 사용자`)
/** `use_yn` and 사용여부 are how Korean tables say active; alone, "use" says nothing. */
const USE = words('use 사용')
const YES_OR_NO = words('yn flag flg 여부')

/** What has such a word with one of these is about something else than whether the account may be used. */
const ELSEWHERE =
  words(`email emails mail phone mobile sms two factor 2fa mfa tfa otp totp notification notifications newsletter
  marketing push password passwd pwd token tokens reset remember session sessions api key subscription subscriptions trial
  card payment payments billing shipping address online marital relationship message country province theme verification
  confirmation activation invite invitation refresh cookie`)
const HARMLESS = /^(lock_version|lockout_enabled|last_active(_.*)?|last_state(_.*)?)$/
const LOGIN_ALLOWED = /^(can_(login|log_in|signin|sign_in)|allow_login|login_allow)$/

const VOCABULARY = [DISABLED, ACTIVE, STATUS, UNCLEAR, EXPIRY, UNTIL, NEGATION, AFFIXES, USE]
/** Glued to words that are not known, these still show that a column is about who may come in. */
const TELLING = [...DISABLED].filter((word) => word.length >= 6)

/** What a column of users says about who may log in; undefined when its name does not hint at that. */
export function statusKindOf(column: string): StatusKind | undefined {
  const parts = wordsOf(column)
  const name = parts.join('_')
  if (LOGIN_ALLOWED.test(name)) return 'active'
  if (HARMLESS.test(name) || parts.some((part) => ELSEWHERE.has(part))) return undefined
  const has = (set: Set<string>) => parts.some((part) => set.has(part))
  const isKnown = parts.every((part) => VOCABULARY.some((set) => set.has(part)))
  if (!isKnown) {
    const hints = [DISABLED, ACTIVE, STATUS, UNCLEAR, EXPIRY].some(has)
    return hints || parts.some((part) => TELLING.some((word) => part.startsWith(word))) ? 'unclear' : undefined
  }
  if (has(UNCLEAR)) return 'unclear'
  const isUntil = has(UNTIL) || has(EXPIRY)
  if (has(DISABLED)) {
    if (has(ACTIVE)) return 'unclear'
    if (has(NEGATION)) return 'active'
    return isUntil ? 'disabledUntil' : 'disabled'
  }
  if (has(ACTIVE) && has(NEGATION)) return 'disabled'
  if (has(EXPIRY) || (has(ACTIVE) && isUntil)) return 'activeUntil'
  if (has(ACTIVE) || (has(USE) && has(YES_OR_NO))) return 'active'
  return has(STATUS) ? 'status' : undefined
}

/** What a column of rows says about which of them are deleted; undefined when its name does not hint at that. */
export function rowStatusKindOf(column: string): StatusKind | undefined {
  const kind = statusKindOf(column)
  if (kind === undefined || kind === 'status') return kind
  const parts = wordsOf(column)
  const isMeant =
    parts.some((part) => DELETED.has(part)) || (kind === 'active' && parts.some((part) => IN_USE.has(part)))
  return isMeant ? kind : undefined
}

/** `is_active`, `isActive`, `IS-ACTIVE` and `isactive` are the words is, active. */
function wordsOf(column: string): string[] {
  return column
    .normalize('NFC')
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
    .flatMap((word) => unglue(word) ?? [word])
}

/** The known words that a word is made of; undefined when it is not made of such. */
function unglue(word: string): string[] | undefined {
  if (word === '' || ELSEWHERE.has(word)) return word === '' ? [] : [word]
  for (let length = word.length; length > 0; length -= 1) {
    const start = word.slice(0, length)
    const isWord = VOCABULARY.some((set) => set.has(start)) || ELSEWHERE.has(start)
    const rest = isWord ? unglue(word.slice(length)) : undefined
    if (rest !== undefined) return [start, ...rest]
  }
  return undefined
}
