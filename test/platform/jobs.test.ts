import PgBoss from 'pg-boss'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RETENTION_DAYS } from '../../src/learning/retention.ts'
import { DAY } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import { startJobs } from '../../src/platform/jobs.ts'
import { openMailer } from '../../src/platform/mail/mailer.ts'
import { makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { runJob } from '../helpers/jobs.ts'
import type { ParsedMail } from '../helpers/letters.ts'
import { cloneDatabase, startTestServer, type TestServer } from '../helpers/server.ts'
import { openSmtp } from '../helpers/smtp.ts'

const POLLING_SECONDS = 0.5

/** Resolves each time something has happened as often as asked. */
function counter() {
  let count = 0
  const waiting: { at: number; resolve: () => void }[] = []
  return {
    get count() {
      return count
    },
    add() {
      count += 1
      for (const { at, resolve } of waiting) if (count >= at) resolve()
    },
    reaches: (at: number) => new Promise<void>((resolve) => (count >= at ? resolve() : waiting.push({ at, resolve }))),
  }
}

describe('jobs', () => {
  it('asked for many times at once run once, on one of two instances; one that fails is told of and runs the next time', async () => {
    const database = await cloneDatabase()
    const [runs, errors] = [counter(), counter()]
    const job = {
      name: 'count',
      cron: '0 0 1 1 *',
      run: async () => {
        runs.add()
        if (runs.count === 1) throw new Error('the first time goes wrong')
      },
    }
    const instances = [await startJobs(database.url, [job], errors.add, POLLING_SECONDS), await startJobs(database.url, [job], errors.add, POLLING_SECONDS)]
    const boss = new PgBoss({ connectionString: database.url, schema: 'jobs', schedule: false, supervise: false })
    await boss.start()
    expect((await boss.getSchedules()).map((schedule) => [schedule.name, schedule.cron])).toEqual([['count', '0 0 1 1 *']])
    const asked = await Promise.all(Array.from({ length: 10 }, () => boss.send('count', {})))
    expect(asked.filter((id) => id !== null)).toHaveLength(1)
    await Promise.all([runs.reaches(1), errors.reaches(1)])
    for (let run = 2; run <= 3; run += 1) {
      while ((await boss.send('count', {})) === null) await boss.getQueueSize('count')
      await runs.reaches(run)
    }
    for (const instance of instances) await instance.stop()
    expect([runs.count, errors.count]).toEqual([3, 1])
    await boss.stop({ graceful: false, wait: true })
    await database.drop()
  })
})

describe('retention', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('removes what has been kept long enough and nothing else; stars, badges and progress stay', async () => {
    const family = await makeFamily(server.api)
    const who = { token: family.token, child: family.childId }
    const talk = async () => {
      const conversation = await startConversation(server.api, family)
      for (let turn = 0; turn < 6; turn += 1) await takeTurn(server.api, family, conversation)
      await server.api.post(`/v1/conversations/${conversation}/end`, { ...who, key: newId() })
      return conversation
    }
    const old = await talk()
    const { prisma } = server.deps.db
    const counts = async () => ({
      stars: await prisma.starEntry.count({ where: { childId: family.childId } }),
      badges: await prisma.badge.count({ where: { childId: family.childId } }),
      steps: await prisma.depthStep.count({ where: { childId: family.childId } }),
    })
    const before = await counts()
    server.clock.advance(RETENTION_DAYS.conversations * DAY)
    await runJob(server, 'retention')
    expect(await prisma.conversation.count({ where: { id: old } })).toBe(1)
    server.clock.advance(1)
    await runJob(server, 'retention')
    expect([await prisma.conversation.count({ where: { id: old } }), await prisma.message.count({ where: { conversationId: old } })]).toEqual([0, 0])
    expect(await counts()).toEqual(before)
    expect(before.badges).toBeGreaterThan(0)
    expect([await prisma.idempotencyKey.count(), await prisma.refreshToken.count(), await prisma.session.count(), await prisma.emailLink.count()]).toEqual([
      0, 0, 0, 0,
    ])
  })
})

describe('mail by SMTP', () => {
  it('arrives with its plain and its HTML part and its headers', async () => {
    const smtp = await openSmtp()
    const mailer = openMailer({ smtpUrl: smtp.url, from: 'BrainSpark <hello@brainspark.app>', outboxDir: '/nowhere' })
    const headers = { 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' }
    await mailer.send({ to: 'alex@example.com', subject: 'Grüße', text: 'plain', html: '<p>rich</p>', headers })
    mailer.close()
    await smtp.close()
    const mail = smtp.letters[0] as ParsedMail
    expect([mail.to, mail.text.trim(), mail.html.trim()]).toEqual(['alex@example.com', 'plain', '<p>rich</p>'])
    expect(mail.headers['list-unsubscribe-post']).toBe('List-Unsubscribe=One-Click')
  })
})
