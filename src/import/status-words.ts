// More words in the names of status columns: about users who left and log-ins that are forbidden, and in other
// languages.

const words = (text: string) => text.trim().split(/\s+/)

export const MORE_DISABLED =
  words(`withdraw withdrew secession leave left leaver quit resign resignation departed exited
  dismissed fired expelled ejected expulsion offboarded anonymized anonymised anonymize erase erasure rm purge void voided
  obsolete defunct dead sleep sleeping stop stopped halted kick punished penalty penalized jailed intercept intercepted
  deny forbid prevent prevented disallow disallowed nologin
  geloescht deaktiviert sperre verbannt gekündigt gekuendigt
  bloque supprime désactivé desactive banni suspendu
  baja deshabilitado inhabilitado suspendido baneado desactivado
  desativado excluido excluído banido suspenso
  bloccato disabilitato eliminato cancellato sospeso disattivato
  강퇴 퇴사 퇴직 중지 접근차단 削除 退会 停止 無効 凍結 禁用 冻结 封禁 删除 注销 заблокирован удален удалён забанен`)
export const MORE_ACTIVE = words(`habilitado vigente attivo abilitato alive usable loginable 有効 启用 有效 активен`)
export const MORE_STATUS = words('stat sts situacao situação stato 状态 狀態 ステータス статус')
/** Abbreviations of user and member, and prefixes that JSON and serialisers add to the fields of a user. */
export const MORE_AFFIXES = words(
  `mb mem usr acct acc emp fields attributes metadata meta app data props properties of`,
)

/** A user's role or kind, which may be "banned". */
export const ROLE =
  /^(user_|account_|member_|mb_)?(roles?|type|kind|groups?|level|grade|rank|auth|class|category)(_(name|code))?$/
/** The end of a ban, or its opposite. */
export const UNDONE = /(^|_)(unlock|unban|unblock|unsuspend)(n?ed)?(_|$)/
export const IS_TIME = /_(at|on|date|time|datetime|timestamp|until)$/
/** When a user was last active, or was activated. */
export const ACTIVE_AT = /^active_(at|on|date|time|datetime|timestamp)$/
export const ENDS_AT = /^((user|account|member|membership)_)?(end|ends|until)(_(at|on|date|time|datetime))?$/
export const NO_LOGIN = /^(is_)?(no|non|not)_(login|log_in|signin|sign_in|logon)(_.*)?$/
/** When a status was changed, and a user's current activity. */
export const ABOUT_STATUS = /^(last_)?(status|state)_(updated|changed|change|modified|emoji)(_.*)?$|^active_.*_id$/
/** Next to one of these columns, `state` is part of an address. */
export const ADDRESS = /^(city|town|zip|zip_?code|postal_?code|post_?code|postcode)$/
