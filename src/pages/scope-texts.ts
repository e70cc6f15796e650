import { OWN_SCOPES } from '../clients/scopes.js'
import type { Locale } from './languages.js'

const KOREAN: Record<keyof typeof OWN_SCOPES, string> = {
  openid: '로그인 확인',
  offline_access: '로그인 상태 유지',
  profile: '계정 정보 보기: 이름, 언어',
  email: '이메일 주소 보기',
  roles: '다른 서비스에서의 역할 보기',
  'todos:read': '할 일 보기',
  'todos:write': '할 일 만들기, 바꾸기, 지우기',
  'tutorials:read': '튜토리얼 보기',
  'tutorials:write': '튜토리얼 만들기, 바꾸기, 지우기',
  'users:read': '관리자로서 계정 보기',
  'users:write': '관리자로서 계정 바꾸기',
  'events:read': '관리자로서 감사 로그 보기',
}

/** The meaning of a scope, for users. Scopes of the operator are shown as they are. */
export function describeScope(word: string, locale: Locale): string {
  if (!Object.hasOwn(OWN_SCOPES, word)) return word
  const own = word as keyof typeof OWN_SCOPES
  return locale === 'ko' ? KOREAN[own] : OWN_SCOPES[own]
}
