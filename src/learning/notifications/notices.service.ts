import { z } from 'zod'
import type { Clock } from '../../platform/clock.ts'
import type { CryptoBox } from '../../platform/crypto-box.ts'
import { invalidField } from '../../platform/http/errors.ts'
import { isUuid } from '../../platform/ids.ts'
import type { LocalDate } from '../../platform/local-date.ts'
import type { Mail, Mailer } from '../../platform/mail/mailer.ts'
import type { Curriculum } from '../curriculum/curriculum.ts'
import type { ChildDigest, DashboardService } from '../dashboard/dashboard.service.ts'
import { streakAt } from '../rewards/streak.ts'
import { streakDaysOf } from '../rewards/streak-days.ts'
import { type DigestChild, digestMail, reminderMail } from './notice-mails.ts'
import { type Addressee, NOTICES, type Notice, type NoticesStore } from './notices.store.ts'

/** Hours of the local evening in which notices go out; what fails is tried again until the last. */
const DIGEST_HOURS = [17, 24] as const
const REMINDER_HOURS = [18, 21] as const
const SUNDAY = 0
/** A shorter streak is not worth a mail. */
const SHORTEST_STREAK = 3
const THINGS_NAMED = 5

const UnsubscribeToken = z.tuple([z.string().refine(isUuid), z.enum(NOTICES)])

export interface NoticesDeps {
  readonly store: NoticesStore
  readonly clock: Clock
  readonly curriculum: Curriculum
  readonly dashboard: DashboardService
  readonly mailer: Mailer
  readonly box: CryptoBox
  readonly publicUrl: string
  readonly onError: (error: unknown) => void
}

const weekday = (day: LocalDate): number => new Date(`${day}T00:00:00Z`).getUTCDay()

export function noticesService({ store, clock, curriculum, dashboard, mailer, box, publicUrl, onError }: NoticesDeps) {
  const unsubscribeUrl = (parentId: string, kind: Notice): string =>
    `${publicUrl}/v1/notifications/unsubscribe?token=${box.seal(JSON.stringify([parentId, kind])).toString('base64url')}`

  /**
   * Sends a notice once for its period, however many instances try: the claim is taken before the mail goes out, and given
   * back when it could not be sent.
   */
  async function sendOnce(
    to: Addressee,
    kind: Notice,
    period: string,
    compose: (link: string) => Promise<Omit<Mail, 'to' | 'headers'> | undefined>,
  ): Promise<boolean> {
    if (!(await store.claim(to.id, kind, period, clock.now()))) return false
    try {
      const link = unsubscribeUrl(to.id, kind)
      const letter = await compose(link)
      if (!letter) return false
      // RFC 8058: one click in the mail program, no page to visit.
      await mailer.send({ ...letter, to: to.email, headers: { 'List-Unsubscribe': `<${link}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' } })
      return true
    } catch (error) {
      await store.unclaim(to.id, kind, period)
      onError(error)
      return false
    }
  }

  function digestChild(child: ChildDigest, day: LocalDate): DigestChild {
    const topics = new Set(child.topics)
    const questions = curriculum.sparksOf(child.ageGroup).filter((spark) => topics.has(spark.topic))
    const { question } = questions[Date.parse(day) % Math.max(1, questions.length)] ?? {}
    return {
      ...{ name: child.name, minutes: child.minutes, conversations: child.conversations, sparks: child.sparks, streak: child.streak },
      explored: child.explored.slice(0, THINGS_NAMED),
      question,
    }
  }

  return {
    /** Mails the week to every parent where it is Sunday evening; how many mails went out. A week without learning is not mailed. */
    async sendDigests(): Promise<number> {
      let sent = 0
      for (const evening of await store.evenings(clock.now(), ...DIGEST_HOURS)) {
        if (weekday(evening.day) !== SUNDAY) continue
        for await (const parent of store.forDigest(evening)) {
          const isSent = await sendOnce(parent, 'email_digest', evening.day, async (link) => {
            const children = (await dashboard.digest(parent.id)).filter((child) => child.conversations > 0)
            if (children.length === 0) return undefined
            return digestMail(
              parent.display_name,
              children.map((child) => digestChild(child, evening.day)),
              link,
            )
          })
          if (isSent) sent += 1
        }
      }
      return sent
    },

    /** Mails parents in the evening of a streak that ends today; how many mails went out. */
    async sendReminders(): Promise<number> {
      let sent = 0
      for (const evening of await store.evenings(clock.now(), ...REMINDER_HOURS)) {
        for await (const parent of store.forReminder(evening)) {
          const children = parent.children
            .map((child) => ({ name: child.name, streak: streakAt(evening.day, streakDaysOf(child.streak_dates)) }))
            .filter((child) => child.streak >= SHORTEST_STREAK)
          if (children.length === 0) continue
          if (await sendOnce(parent, 'streak_reminders', evening.day, async (link) => reminderMail(parent.display_name, children, link))) sent += 1
        }
      }
      return sent
    },

    /** Turns a notice off for whom its link was made. A 400 for a token that is not one of ours. */
    async unsubscribe(token: string): Promise<Notice> {
      const [parentId, kind] = openToken(box, token)
      await store.turnOff(parentId, kind, clock.now())
      return kind
    },
  }
}
export type NoticesService = ReturnType<typeof noticesService>

function openToken(box: CryptoBox, token: string): z.infer<typeof UnsubscribeToken> {
  try {
    return UnsubscribeToken.parse(JSON.parse(box.open(Buffer.from(token, 'base64url'))))
  } catch {
    throw invalidField('token', 'Not a link of ours')
  }
}
