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

export function resetMail(publicUrl: string, token: string): Letter {
  return {
    subject: 'Choose a new BrainSpark password',
    text: [
      'Somebody, hopefully you, asked for a new password.',
      `Open this link within one hour and choose one:\n${publicUrl}/reset-password?token=${token}`,
      `Or enter this code in the app:\n${token}`,
      'If it was not you, you can ignore this mail; your password stays as it is.',
    ].join('\n\n'),
  }
}
