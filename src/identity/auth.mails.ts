import type { Mail } from '../platform/mail/mailer.ts'

type Letter = Omit<Mail, 'to'>

export function verificationMail(publicUrl: string, token: string): Letter {
  return {
    subject: 'Please confirm your e-mail address',
    text: [
      'Welcome to BrainSpark!',
      'Please confirm that this address is yours by opening this link within two days:',
      `${publicUrl}/v1/auth/email/verify?token=${token}`,
      'If you did not create an account, you can ignore this mail.',
    ].join('\n\n'),
  }
}

export function resetMail(code: string): Letter {
  return {
    subject: 'Choose a new BrainSpark password',
    text: [
      'Somebody, hopefully you, asked for a new password.',
      `Enter this code in the app within one hour and choose one:\n${code}`,
      'If it was not you, you can ignore this mail; your password stays as it is.',
    ].join('\n\n'),
  }
}
