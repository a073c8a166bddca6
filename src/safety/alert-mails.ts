import { isoSeconds } from '../platform/clock.ts'
import type { Mail } from '../platform/mail/mailer.ts'
import type { Alert } from './alerts.store.ts'

type Letter = Omit<Mail, 'to' | 'headers'>

const HELPLINES = 'https://childhelplineinternational.org/helplines'

const firstName = (name: string): string => name.trim().split(/\s+/)[0] as string

/** Tells a parent that a child may need them, where to look and what to do. It quotes nothing, and names nothing of what was found. */
export function familyMail(alert: Alert, conversationUrl: (id: string) => string): Letter {
  const child = firstName(alert.childName)
  const times = new Intl.DateTimeFormat('en-GB', { timeZone: alert.timezone, dateStyle: 'full', timeStyle: 'short' })
  const talks = new Map<string, Date>()
  for (const { conversationId, createdAt } of alert.flags) if (!talks.has(conversationId)) talks.set(conversationId, createdAt)
  const places = [...talks].map(([id, at]) => `${times.format(at)}\n${conversationUrl(id)}`)
  return {
    subject: alert.isReminder ? `Still open: please take a moment for ${child}` : `Please take a moment for ${child}`,
    text: [
      `Hello ${alert.parentName},`,
      `${alert.isReminder ? 'we wrote to you before, and nobody has marked it as seen yet. ' : ''}${child} said something on BrainSpark that may need a grown-up. We do not repeat a child's words in mails; you can read them in your dashboard:`,
      ...places,
      [
        'What you can do:',
        '- Read the talk first, on your own.',
        `- Find a quiet moment today and ask ${child} gently. Listen, say thank you for telling, and do not scold: nobody is in trouble.`,
        `- If you are worried, a doctor, the school or a helpline can help. Helplines for children and families: ${HELPLINES}`,
        '- If somebody is in danger now, call the emergency number of your country at once.',
      ].join('\n'),
      `A program noticed this, and it may be mistaken. When you have looked, mark it as seen in your dashboard. ${
        alert.isReminder ? 'This is our last mail about it; it stays there.' : 'Otherwise we write once more in a day.'
      }`,
    ].join('\n\n'),
  }
}

/** Tells those who answer for child protection that a disclosure waits: ids and times, no word and no name. */
export function safeguardingMail(alert: Alert): Letter {
  const waits = alert.isReminder ? 'still waits' : 'waits'
  return {
    subject: `BrainSpark safeguarding: a disclosure ${waits}`,
    text: [
      `A child said something on BrainSpark that may point at somebody who looks after it. The family is shown nothing of it, and the words are not in this mail. It ${waits} for you:`,
      `child ${alert.childId}`,
      ...alert.flags.map(({ id, createdAt }) =>
        [`flag ${id}, ${isoSeconds(createdAt)}`, `npm run safeguarding -- show ${id}`, `npm run safeguarding -- acknowledge ${id}`].join('\n'),
      ),
    ].join('\n\n'),
  }
}
