import type { Problem, ProblemCode } from '../problems.js'
import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'

const TITLES: Translated<string> = { en: 'That did not work', ko: '요청을 처리하지 못했습니다' }
const GENERIC: Translated<string> = {
  en: 'Go back and try again.',
  ko: '이전 화면으로 돌아가서 다시 시도해 주세요.',
}

/** Messages for problems on pages. Korean needs one for each problem; English defaults to the problem's title. */
const TEXTS: Partial<Record<ProblemCode, Partial<Translated<string>>>> = {
  validation_failed: {
    en: 'Something in the form is missing or too long. Go back and correct it.',
    ko: '빠졌거나 너무 긴 항목이 있습니다. 돌아가서 고쳐 주세요.',
  },
  foreign_form: {
    en: 'This form was sent by another site. Open the page here and try again.',
    ko: '다른 사이트에서 보낸 양식입니다. 이 사이트에서 페이지를 열고 다시 시도해 주세요.',
  },
  other_account: {
    en: 'This browser is now logged in to another account, so nothing was changed. Open the page again.',
    ko: '이 브라우저가 이제 다른 계정으로 로그인되어 있어 아무것도 바꾸지 않았습니다. 페이지를 다시 열어 주세요.',
  },
  client_unknown: {
    en: 'The application that sent you here is not known.',
    ko: '요청한 애플리케이션을 찾을 수 없습니다.',
  },
  redirect_uri_unknown: {
    en: 'The application asked to send you back to an address that it has not registered.',
    ko: '애플리케이션이 등록하지 않은 주소로 이동하려고 했습니다.',
  },
  registration_closed: {
    en: 'Accounts are made by the operator here. Ask for an invitation.',
    ko: '직접 가입할 수 없습니다. 운영자에게 초대를 요청해 주세요.',
  },
  mail_disabled: {
    en: 'No mail is sent here. Ask the operator for a new password.',
    ko: '메일을 보내지 않는 서비스입니다. 운영자에게 새 비밀번호를 요청해 주세요.',
  },
  email_login_disabled: {
    en: 'No codes are mailed here. Log in with your password.',
    ko: '코드를 메일로 보내지 않는 서비스입니다. 비밀번호로 로그인해 주세요.',
  },
  not_found: {
    en: 'Not found. It may have been removed.',
    ko: '찾을 수 없습니다. 이미 없어졌을 수 있습니다.',
  },
  invalid_reset_token: {
    en: 'The link or the code is not valid, was used before or has expired. Ask for a new one.',
    ko: '링크나 코드가 올바르지 않거나, 이미 사용되었거나, 만료되었습니다. 새로 요청해 주세요.',
  },
  invalid_one_time_token: {
    en: 'The link or the code is not valid, was used before or has expired. Ask for a new one.',
    ko: '링크나 코드가 올바르지 않거나, 이미 사용되었거나, 만료되었습니다. 새로 요청해 주세요.',
  },
  invalid_credentials: {
    en: 'The name or the password is wrong.',
    ko: '이름이나 비밀번호가 올바르지 않습니다.',
  },
  wrong_code: {
    en: 'The code is wrong, was used before or has expired. Use the one that your app shows now.',
    ko: '코드가 올바르지 않거나, 이미 사용되었거나, 만료되었습니다. 앱에 지금 표시된 코드를 입력해 주세요.',
  },
  passkey_rejected: {
    en: 'The passkey is not known here, or that took too long. Try again.',
    ko: '등록되지 않은 패스키이거나 시간이 초과되었습니다. 다시 시도해 주세요.',
  },
  invalid_ticket: {
    en: 'This form was sent before, or it is too old. Log in again.',
    ko: '이미 보냈거나 오래된 양식입니다. 다시 로그인해 주세요.',
  },
  email_unverified: {
    en: 'The e-mail address is not confirmed yet. Use the link in the mail that was sent to it.',
    ko: '이메일 주소가 아직 확인되지 않았습니다. 받은 메일의 링크를 열어 주세요.',
  },
  last_factor: {
    en: 'Your account needs a second factor. Add another one before you remove this one.',
    ko: '이 계정에는 2단계 인증이 필요합니다. 제거하기 전에 다른 것을 먼저 추가해 주세요.',
  },
  mfa_disabled: { ko: '2단계 인증을 추가할 수 없는 서비스입니다.' },
  wrong_password: { ko: '비밀번호가 올바르지 않습니다.' },
  password_rejected: { ko: '사용할 수 없는 비밀번호입니다. 더 길고 흔하지 않은 비밀번호를 입력해 주세요.' },
  username_rejected: { ko: '사용할 수 없는 이름입니다.' },
  username_taken: { ko: '이미 사용 중인 이름입니다.' },
  email_rejected: { ko: '사용할 수 없는 이메일 주소입니다.' },
  email_taken: { ko: '이미 사용 중인 이메일 주소입니다.' },
  name_rejected: { ko: '사용할 수 없는 이름입니다. 보이지 않는 글자가 없는 다른 이름을 입력해 주세요.' },
  key_rejected: { ko: '이 계정의 키로는 할 수 없는 일이 선택되었습니다. 다시 선택해 주세요.' },
  too_many_rows: { ko: '더 만들 수 없습니다. 필요 없는 것을 먼저 끝내 주세요.' },
  too_many_factors: { ko: '더 추가할 수 없습니다. 쓰지 않는 것을 먼저 제거해 주세요.' },
  passkeys_unavailable: { ko: '패스키를 쓸 수 없는 서비스입니다.' },
  no_factor: { ko: '이 계정에는 2단계 인증이 없습니다.' },
  last_admin: { ko: '마지막 관리자입니다. 관리자는 한 명 이상 있어야 합니다.' },
  signup_refused: { ko: '이 서비스에 가입할 수 없습니다. 운영자에게 문의해 주세요.' },
  signup_check_unavailable: {
    en: 'Nobody can register right now. Try again in a while.',
    ko: '지금은 가입할 수 없습니다. 잠시 후 다시 시도해 주세요.',
  },
  body_too_large: { ko: '입력한 내용이 너무 깁니다. 돌아가서 줄여 주세요.' },
  database_unavailable: { ko: '지금은 처리할 수 없습니다. 잠시 후 다시 시도해 주세요.' },
  overloaded: { ko: '지금은 요청이 많습니다. 잠시 후 다시 시도해 주세요.' },
  rate_limited: {
    en: 'Too many requests. Wait a minute and try again.',
    ko: '요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.',
  },
  too_many_attempts: {
    en: 'Too many tries. Wait a while and try again.',
    ko: '시도 횟수가 너무 많습니다. 잠시 후 다시 시도해 주세요.',
  },
  hashing_overloaded: {
    en: 'The service is busy right now. Try again.',
    ko: '지금은 요청이 많습니다. 다시 시도해 주세요.',
  },
  internal_error: { en: 'Something went wrong on our side.', ko: '서버에 문제가 생겼습니다.' },
}

/** A problem as a sentence in the user's language. Details about rules for names and passwords are only in English. */
export function sentenceOf({ code, message }: Problem, locale: Locale): string {
  return TEXTS[code]?.[locale] ?? (locale === 'en' ? message : GENERIC[locale])
}

/** The page for a problem that no form shows. */
export function refusalPage(problem: Problem, locale: Locale): Page {
  return { title: TITLES[locale], status: problem.status, body: html`<p>${sentenceOf(problem, locale)}</p>` }
}
