// Recognises the columns of a foreign table that determine who may log in. Names come in any case and spelling
// (deleted_at, DeleteAt, isdeleted, " is_active"), so a name is split into words, which are looked up.
import {
  ABOUT_STATUS,
  ACTIVE_AT,
  ADDRESS,
  ENDS_AT,
  IS_TIME,
  MORE_ACTIVE,
  MORE_AFFIXES,
  MORE_DISABLED,
  MORE_STATUS,
  NO_LOGIN,
  ROLE,
  UNDONE,
} from './status-words.js'

/**
 * How the values of a status column are read.
 * `disabled`: anything but a clear no excludes the user.
 * `disabledUntil`: as `disabled`, but a time in the past is a no too.
 * `active`: anything but a clear yes excludes the user.
 * `activeUntil`: a time in the past excludes the user.
 * `status`: words such as active and banned.
 * `role`: only a word such as banned excludes the user.
 * `region`: as `role`, but a value must look like the name or code of a region.
 * `unclear`: the operator must explain the column.
 * `maybe...`: the operator must explain the column if it would exclude a user.
 * In all kinds, a value that is not understood excludes the user.
 */
export type StatusKind =
  | ('disabled' | 'disabledUntil' | 'active' | 'activeUntil' | 'status' | 'role' | 'region' | 'unclear')
  | ('maybeDisabled' | 'maybeActive' | 'maybeActiveUntil')

const words = (text: string) => new Set(text.trim().split(/\s+/))

/** Words for deleted users, who may not log in, and deleted rows, which their owner no longer saw. */
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
/**
 * In a column of rows, these words may mean that the row is not deleted; other words of ACTIVE are about its content.
 */
const IN_USE = words('active activo ativo actif aktiv 활성 use 사용')
/** Applications differ in whether these states prevent a log-in. */
const UNCLEAR = words(`pending unconfirmed unverified unapproved restricted flagged hold onhold paused staged suspicious
  compromised hidden limited`)
const CONFIRMED = words('confirmed')
const EXPIRY = words('expires expire expiry expiration 만료')
const UNTIL = words('until till end ends to thru through')
const NEGATION = words('non not no')
const AFFIXES = words(`is has was been are account user member membership customer person profile login signin
  credentials at on date datetime time timestamp ts day flag flg yn bool ind soft hard permanently permanent temporarily
  temporary temp auto self by admin out reason id cd utc tz 여부 일 일시 일자 계정 회원 사용자`)
/** Korean tables write active as `use_yn` or 사용여부; "use" alone means nothing. */
const USE = words('use 사용')
const YES_OR_NO = words('yn flag flg is in 여부')

/** With one of these words, a column is not about whether the account may be used. */
const ELSEWHERE =
  words(`email emails mail phone mobile sms two factor 2fa mfa tfa otp totp notification notifications newsletter
  marketing push password passwd pwd token tokens reset remember session sessions api key subscription subscriptions trial
  card payment payments billing shipping address online marital relationship message country province theme verification
  confirmation activation invite invitation refresh cookie`)
const HARMLESS = /^(lock_version|lockout_enabled|last_active(_.*)?|last_state(_.*)?)$/
const LOGIN_ALLOWED = /^(can_(login|log_in|signin|sign_in)|allow_login|login_allow)$/

for (const [set, more] of [
  [DISABLED, MORE_DISABLED],
  [ACTIVE, MORE_ACTIVE],
  [STATUS, MORE_STATUS],
  [AFFIXES, MORE_AFFIXES],
] as const) {
  for (const word of more) set.add(word)
}

const VOCABULARY = [DISABLED, ACTIVE, STATUS, UNCLEAR, CONFIRMED, EXPIRY, UNTIL, NEGATION, AFFIXES, USE]
/** Even within unknown compounds, these words show that a column is about who may log in. */
const TELLING = [...DISABLED].filter((word) => word.length >= 6)

/** What a column of users, among `others`, says about who may log in; undefined if its name has no hint. */
export function statusKindOf(column: string, others: string[] = []): StatusKind | undefined {
  const parts = wordsOf(column)
  const name = parts.join('_')
  const has = (set: Set<string>) => parts.some((part) => set.has(part))
  const kind = kindOfName(name)
  if (kind !== undefined) return kind
  if (HARMLESS.test(name) || ABOUT_STATUS.test(name) || has(ELSEWHERE)) return undefined
  const isOfAddress =
    /^state(_code|_name)?$/.test(name) && others.some((other) => ADDRESS.test(other.trim().toLowerCase()))
  if (isOfAddress) return 'region'
  return parts.every((part) => VOCABULARY.some((set) => set.has(part))) ? kindOfWords(has) : kindByHint(parts)
}

/** Recognises whole names. */
function kindOfName(name: string): StatusKind | undefined {
  if (LOGIN_ALLOWED.test(name)) return 'active'
  if (NO_LOGIN.test(name)) return 'disabled'
  if (UNDONE.test(name))
    return IS_TIME.test(name) ? 'disabledUntil' : /^(is_)?un[a-z]+$/.test(name) ? 'active' : undefined
  if (ACTIVE_AT.test(name)) return 'maybeActive'
  if (ENDS_AT.test(name)) return 'maybeActiveUntil'
  return ROLE.test(name) ? 'role' : undefined
}

/** Recognises names that consist of known words. */
function kindOfWords(has: (set: Set<string>) => boolean): StatusKind | undefined {
  if (has(UNCLEAR) || has(CONFIRMED)) {
    if (has(NEGATION) || (has(UNCLEAR) && has(CONFIRMED))) return 'unclear'
    return has(CONFIRMED) ? 'maybeActive' : 'maybeDisabled'
  }
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

/** Recognises hints in names that also contain unknown words. */
function kindByHint(parts: string[]): StatusKind | undefined {
  const has = (set: Set<string>) => parts.some((part) => set.has(part))
  if ([ACTIVE, STATUS, CONFIRMED, EXPIRY].some(has)) return 'unclear'
  const isTelling = has(DISABLED) || has(UNCLEAR) || parts.some((part) => TELLING.some((word) => part.includes(word)))
  if (!isTelling) return undefined
  return has(NEGATION) ? 'unclear' : 'maybeDisabled'
}

/** What a column of rows says about which are deleted; undefined if its name has no hint. */
export function rowStatusKindOf(column: string): StatusKind | undefined {
  const kind = statusKindOf(column)
  if (kind === undefined || kind === 'status') return kind
  const parts = wordsOf(column)
  const isMeant =
    parts.some((part) => DELETED.has(part)) || (kind === 'active' && parts.some((part) => IN_USE.has(part)))
  return isMeant ? kind : undefined
}

/** Splits a name into words: `is_active`, `isActive`, `IS-ACTIVE` and `isactive` are the words is, active. */
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

/** Splits a compound into known words; undefined if other parts remain. */
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
