import type { User } from '../accounts/user-rows.js'
import { NAME_MAX_LENGTH } from '../text-lengths.js'
import { accountPage, type View } from './account-page.js'
import { button, choice, field } from './forms.js'
import { html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    title: 'Profile',
    name: 'Name',
    nameHint: 'How you are addressed. It need not be your user name.',
    locale: 'Language of mails',
    any: 'No preference',
    submit: 'Save',
  },
  ko: {
    title: '프로필',
    name: '이름',
    nameHint: '다른 사람에게 보이는 이름입니다. 사용자 이름과 달라도 됩니다.',
    locale: '메일의 언어',
    any: '정하지 않음',
    submit: '저장',
  },
} satisfies Translated<Record<string, string>>

export function profilePage({ name, locale: chosen }: Pick<User, 'name' | 'locale'>, view: View): Page {
  const text = TEXTS[view.locale]
  const languages = {
    '': text.any,
    en: 'English',
    ko: '한국어',
    ...(chosen && !/^(en|ko)$/.test(chosen) && { [chosen]: chosen }),
  }
  const body = html`<form method="post" action="${view.path}/account/profile">
${field({
  name: 'name',
  label: text.name,
  hint: text.nameHint,
  value: name ?? '',
  autocomplete: 'name',
  isOptional: true,
  maxLength: NAME_MAX_LENGTH,
  isWrong: view.error !== undefined,
})}
${choice('locale', text.locale, { options: languages, value: chosen ?? '' })}
${button(text.submit)}
</form>`
  return accountPage(text.title, body, view)
}
