import type { Purpose } from '../purposes.js'

/** The mails in Korean, as the files of MAIL_TEMPLATES are written. */
export const ko: Record<Purpose | 'test', string> = {
  password_reset: `Subject: {service} 비밀번호를 다시 설정하세요

{service} 계정 {name}의 비밀번호를 다시 설정해 달라는 요청을 받았습니다. 본인이 요청했다면 한 시간 안에 설정해 주세요.

[비밀번호 다시 설정하기]({link})

또는 요청한 화면에 이 코드를 입력하세요.
{code}

비밀번호를 바꾸면 모든 기기에서 로그아웃됩니다. 본인이 요청하지 않았다면 이 메일을 무시하세요. 바뀐 것은 없으며, 이 메일 없이는 아무도 바꿀 수 없습니다.
`,
  email_verification: `Subject: {service} 이메일 주소를 확인해 주세요

{service} 계정 {name}에 이 이메일 주소가 등록되었습니다. 본인의 계정이라면 24시간 안에 주소를 확인해 주세요.

[이메일 주소 확인하기]({link})

또는 안내하는 화면에 이 코드를 입력하세요.
{code}

모르는 계정이라면 이 메일을 무시하세요. 주소를 확인하지 말고, 코드를 누구에게도 알려 주지 마세요. 그러면 주소는 확인되지 않은 채로 남습니다.
`,
  email_change: `Subject: {service} 새 이메일 주소를 확인해 주세요

{service} 계정 {name}의 이메일 주소가 이 주소로 바뀔 예정입니다. 본인의 계정이라면 24시간 안에 주소를 확인해 주세요.

[새 이메일 주소 확인하기]({link})

또는 안내하는 화면에 이 코드를 입력하세요.
{code}

모르는 계정이라면 이 메일을 무시하세요. 확인하지 않으면 이 주소는 사용되지 않습니다.
`,
  invitation: `Subject: {service}에 초대되었습니다

{service}에 회원님의 계정이 만들어졌습니다. 7일 안에 비밀번호를 정하면 사용할 수 있습니다.

[초대 수락하기]({link})

또는 안내하는 화면에 이 코드를 입력하세요.
{code}

초대받은 기억이 없다면 이 메일을 무시하세요.
`,
  account_exists: `Subject: {service}에 이미 계정이 있습니다

이 이메일 주소로 {service}에 가입하려는 시도가 있었습니다. 이미 계정 {name}이(가) 있어 새 계정은 만들어지지 않았습니다.

본인이라면 그 계정으로 로그인하세요. 비밀번호를 잊었다면 로그인 화면에서 다시 설정할 수 있습니다.

본인이 아니라면 이 메일을 무시하세요. 바뀐 것은 없습니다.
`,
  password_changed: `Subject: {service} 비밀번호가 변경되었습니다

{service} 계정 {name}의 비밀번호가 {time}에 변경되었습니다. 다른 기기에서는 로그아웃되었습니다.

본인이 변경했다면 그대로 두면 됩니다. 본인이 아니라면 지금 바로 로그인 화면에서 비밀번호를 다시 설정하고 {service} 운영자에게 알려 주세요.
`,
  email_changed: `Subject: {service} 이메일 주소가 변경되었습니다

{service} 계정 {name}의 이메일 주소가 {time}에 변경되었습니다. 앞으로 계정에 관한 메일은 이 주소로 오지 않습니다.

본인이 변경했다면 그대로 두면 됩니다. 본인이 아니라면 지금 바로 {service} 운영자에게 알려 주세요.
`,
  test: `Subject: {service} 시험 메일

{service}에서 메일을 보낼 수 있음을 확인하는 메일입니다. 따로 할 일은 없습니다.
`,
}
