import type { Mail } from '../../platform/mail/mailer.ts'

type Letter = Omit<Mail, 'to' | 'headers'>

/** What the digest tells of one child. */
export interface DigestChild {
  readonly name: string
  readonly minutes: number
  readonly conversations: number
  readonly sparks: number
  readonly streak: number
  /** Completes "explored ...", latest first. */
  readonly explored: readonly string[]
  /** Something to talk about at dinner. */
  readonly question: string | undefined
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
const listFormat = new Intl.ListFormat('en', { type: 'conjunction' })
const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

const numbersOf = (child: DigestChild): string =>
  [
    `${count(child.minutes, 'minute')} in ${count(child.conversations, 'conversation')}`,
    ...(child.sparks > 0 ? [`${count(child.sparks, 'daily spark')} answered`] : []),
    ...(child.streak > 1 ? [`a streak of ${child.streak} days`] : []),
  ].join(', ')

function page(title: string, sections: readonly string[], unsubscribeUrl: string): string {
  return [
    '<!doctype html><html lang="en"><body style="font-family:sans-serif;line-height:1.5;max-width:36em">',
    `<h1 style="font-size:1.3em">${escaped(title)}</h1>`,
    ...sections,
    `<p style="font-size:.85em;color:#555"><a href="${escaped(unsubscribeUrl)}">Do not send me these mails any more</a></p>`,
    '</body></html>',
  ].join('\n')
}

/** What the children explored in a week, and what to talk about at dinner. Plain text and HTML say the same. */
export function digestMail(displayName: string, children: readonly DigestChild[], unsubscribeUrl: string): Letter {
  const told = children.map((child) => ({
    heading: child.name,
    numbers: numbersOf(child),
    explored: child.explored.length > 0 ? `${child.name} explored ${listFormat.format(child.explored)}.` : undefined,
    question: child.question && `A question for dinner: ${child.question}`,
  }))
  const text = [
    `Hello ${displayName},`,
    'this is what happened on BrainSpark this week.',
    ...told.map(({ heading, numbers, explored, question }) => [`${heading}: ${numbers}.`, explored, question].filter(Boolean).join('\n')),
    `No more of these mails: ${unsubscribeUrl}`,
  ].join('\n\n')
  const sections = told.map(({ heading, numbers, explored, question }) =>
    [
      `<h2 style="font-size:1.1em">${escaped(heading)}</h2>`,
      `<p>${escaped(numbers)}.</p>`,
      ...[explored, question].flatMap((line) => (line ? [`<p>${escaped(line)}</p>`] : [])),
    ].join('\n'),
  )
  return { subject: "Your family's week with BrainSpark", text, html: page(`Hello ${displayName}, this is what happened this week`, sections, unsubscribeUrl) }
}

/** That a streak ends today unless somebody learns a little. */
export function reminderMail(displayName: string, children: readonly { readonly name: string; readonly streak: number }[], unsubscribeUrl: string): Letter {
  const lines = children.map(({ name, streak }) => `${name}'s streak of ${streak} days goes on with one question today.`)
  const text = [`Hello ${displayName},`, ...lines, 'A streak freeze keeps it too. And a day off is fine.', `No more of these mails: ${unsubscribeUrl}`].join(
    '\n\n',
  )
  const sections = [...lines, 'A streak freeze keeps it too. And a day off is fine.'].map((line) => `<p>${escaped(line)}</p>`)
  return { subject: 'A streak is waiting for today', text, html: page(`Hello ${displayName}`, sections, unsubscribeUrl) }
}
