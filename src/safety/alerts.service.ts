import { type Clock, type Instant, MINUTE } from '../platform/clock.ts'
import type { Mail, Mailer } from '../platform/mail/mailer.ts'
import { familyMail, safeguardingMail } from './alert-mails.ts'
import type { Alert, AlertsStore } from './alerts.store.ts'
import type { Audience } from './flags.ts'

/** Of each audience in one run; the rest waits for the next. */
const MOST_AT_ONCE = 200
/** After so many failures the mail server is taken to be away until the next run. */
const MOST_FAILURES = 5
const LONGEST_PAUSE_MINUTES = 60

export interface AlertsDeps {
  readonly store: AlertsStore
  readonly clock: Clock
  readonly mailer: Mailer
  /** Who answers for child protection; undefined: nobody, and what is for them waits. */
  readonly safeguardingEmail: string | undefined
  /** Where a parent reads a conversation. */
  readonly conversationUrl: (conversationId: string) => string
  readonly onError: (error: unknown) => void
}

/** When to try again after the mail could not be sent, `failures` times in a row before: at the next run, then after 1, 3, 7, 15, 31 minutes, then each hour. */
export const retryAt = (now: Instant, failures: number): Instant => now + Math.min(2 ** failures - 1, LONGEST_PAUSE_MINUTES) * MINUTE

export function alertsService({ store, clock, mailer, safeguardingEmail, conversationUrl, onError }: AlertsDeps) {
  const audiences: readonly Audience[] = safeguardingEmail === undefined ? ['family'] : ['safeguarding', 'family']

  const letterOf = (alert: Alert): Mail =>
    alert.audience === 'family' ? { ...familyMail(alert, conversationUrl), to: alert.email } : { ...safeguardingMail(alert), to: safeguardingEmail as string }

  async function send(alert: Alert): Promise<boolean> {
    try {
      await mailer.send(letterOf(alert))
    } catch (error) {
      onError(error)
      await store.giveBack(alert, retryAt(clock.now(), alert.failures))
      return false
    }
    await store.sent(alert, clock.now())
    return true
  }

  return {
    /**
     * Mails the flags that are due, a first time and once more after a day; how many mails went out. All flags of a child
     * that wait at the same moment share one mail. Instances may do so together: each flag is mailed by one of them. What
     * fails is tried again, later each time and for ever.
     */
    async sendAlerts(): Promise<number> {
      let sent = 0
      for (const audience of audiences) {
        let failures = 0
        for (const waiting of await store.waiting(audience, clock.now(), MOST_AT_ONCE)) {
          const alert = await store.claim(waiting, clock.now())
          if (!alert) continue
          if (await send(alert)) sent += 1
          else failures += 1
          if (failures === MOST_FAILURES) break
        }
      }
      return sent
    },
  }
}
