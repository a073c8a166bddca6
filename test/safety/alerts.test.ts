import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DAY, HOUR, MINUTE } from '../../src/platform/clock.ts'
import { retryAt } from '../../src/safety/alerts.service.ts'
import { type Alert, alertsStore, LEASE_MS } from '../../src/safety/alerts.store.ts'
import { verifyAddress } from '../helpers/accounts.ts'
import { NOON } from '../helpers/clock.ts'
import { createChild, type Family, makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { flagWords } from '../helpers/flags.ts'
import { runJob } from '../helpers/jobs.ts'
import { lettersTo, VERIFY_SUBJECT } from '../helpers/outbox.ts'
import { holdRows } from '../helpers/row-lock.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openSmtp, type Smtp } from '../helpers/smtp.ts'

const FIRST = 'Please take a moment for Emma'
const AGAIN = 'Still open: please take a moment for Emma'
const SURNAME = 'Bramblewick'
const WORDS = 'I hide under the quokka bridge'

describe('alerts to parents', () => {
  let server: TestServer
  let twin: TestServer
  let smtp: Smtp
  /** A third instance, with a mail server in place of the outbox. */
  let mailing: TestServer
  beforeAll(async () => {
    server = await startTestServer()
    const shared = { databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock }
    smtp = await openSmtp()
    twin = await startTestServer(shared)
    mailing = await startTestServer({ ...shared, env: { SMTP_URL: smtp.url } })
  })
  beforeEach(async () => {
    await server.deps.db.prisma.safetyFlag.deleteMany()
    server.clock.set(NOON)
    smtp.refuse(() => false)
  })
  afterAll(async () => {
    for (const { logs } of [server, twin, mailing])
      expect(logs.filter((line) => [WORDS, SURNAME, 'Emma', '@example.com'].some((text) => line.includes(text)))).toEqual([])
    for (const instance of [mailing, twin, server]) await instance.close()
    await smtp.close()
  })

  async function verifiedFamily(): Promise<Family> {
    const family = await makeFamily(server.api, { name: `Emma ${SURNAME}` })
    await verifyAddress(server, family.email)
    return family
  }

  const run = (...instances: readonly TestServer[]) => Promise.all(instances.map((instance) => runJob(instance, 'safety-alerts')))
  const alertsTo = async ({ email }: Family) => (await lettersTo(server, email)).filter((letter) => letter.subject !== VERIFY_SUBJECT)
  const subjectsTo = async (family: Family) => (await alertsTo(family)).map((letter) => letter.subject).sort()
  const lettersOf = ({ email }: Family) => smtp.letters.filter((letter) => letter.to === email)
  const acknowledge = async ({ token }: Family, id: string) =>
    expect((await server.api.post(`/v1/dashboard/flags/${id}/acknowledge`, { token })).status).toBe(200)
  const rowOf = (id: string) => server.deps.db.prisma.safetyFlag.findUniqueOrThrow({ where: { id } })

  it('go out once, however many instances run: when, where to read it and what to do, and not a word of what was said or found', async () => {
    const family = await verifiedFamily()
    const { id, conversationId } = await flagWords(server, family, { words: WORDS })
    await run(server, twin, server, twin)
    await run(server, twin)
    const [letter, ...more] = await alertsTo(family)
    expect(more).toEqual([])
    expect(letter?.subject).toBe(FIRST)
    expect(letter?.text).toContain('Hello Alex Parent')
    expect(letter?.text).toMatch(/^Saturday,? 21 November 2026 at 12:00$/m)
    expect(letter?.text).toContain(`\nhttp://127.0.0.1:3000/v1/dashboard/conversations/${conversationId}\n`)
    for (const advice of ['Listen', 'helpline', 'emergency number', 'mark it as seen', 'once more in a day']) expect(letter?.text).toContain(advice)
    const whole = JSON.stringify(letter)
    for (const secret of ['quokka', SURNAME, 'self_harm', 'harm', 'crisis', 'suicid', 'violence']) expect(whole).not.toContain(secret)
    expect(await rowOf(id)).toMatchObject({ alertedAt: new Date(NOON), remindedAt: null, heldUntil: null, mailFailures: 0 })
  })

  it('are looked for every minute, and tell of a child that said in a talk that it is in distress', async () => {
    expect(server.app.jobs.find(({ name }) => name === 'safety-alerts')?.cron).toBe('* * * * *')
    const family = await verifiedFamily()
    const conversation = await startConversation(server.api, family)
    expect((await takeTurn(server.api, family, conversation, 'i want to die')).status).toBe(201)
    expect((await takeTurn(server.api, family, conversation, 'how do i make a bomb')).status).toBe(201)
    await run(server, twin)
    const [letter, ...more] = await alertsTo(family)
    expect([letter?.subject, more]).toEqual([FIRST, []])
    expect(letter?.text).toContain(conversation)
    expect(letter?.text).not.toMatch(/want to die|bomb/)
  })

  it('go out once when two instances come to the same child at the same moment', async () => {
    const family = await verifiedFamily()
    for (const _ of [1, 2, 3]) await flagWords(server, family)
    const rows = await holdRows(server.databaseUrl, 'SELECT 1 FROM children WHERE id = $1 FOR UPDATE', [family.childId])
    const runs = run(server, twin)
    await rows.waiters(2)
    await rows.release()
    await runs
    expect(await subjectsTo(family)).toEqual([FIRST])
  })

  it('are repeated once after 24 hours unless they are marked as seen, and never again', async () => {
    const [silent, seen, quick] = [await verifiedFamily(), await verifiedFamily(), await verifiedFamily()]
    await flagWords(server, silent)
    const flag = await flagWords(server, seen)
    await acknowledge(quick, (await flagWords(server, quick)).id)
    await run(server, twin)
    expect(await Promise.all([silent, seen, quick].map(subjectsTo))).toEqual([[FIRST], [FIRST], []])
    await acknowledge(seen, flag.id)
    server.clock.set(NOON + 24 * HOUR - 1)
    await run(server, twin)
    expect(await subjectsTo(silent)).toEqual([FIRST])
    server.clock.advance(1)
    await run(server, twin)
    await run(server, twin)
    expect(await Promise.all([silent, seen, quick].map(subjectsTo))).toEqual([[FIRST, AGAIN], [FIRST], []])
    const [reminder] = (await alertsTo(silent)).filter((letter) => letter.subject === AGAIN)
    expect(reminder?.text).toContain('we wrote to you before')
    expect(reminder?.text).toContain('our last mail about it')
    server.clock.advance(30 * DAY)
    await run(server, twin)
    expect(await subjectsTo(silent)).toEqual([FIRST, AGAIN])
  })

  it('are for high severity alone', async () => {
    const family = await verifiedFamily()
    for (const severity of ['low', 'medium']) await flagWords(server, family, { severity })
    await run(server, twin)
    expect(await subjectsTo(family)).toEqual([])
  })

  it('wait for the address to be verified, and go out then if nobody has seen them', async () => {
    const [late, seen] = [await makeFamily(server.api), await makeFamily(server.api)]
    const flags = [await flagWords(server, late), await flagWords(server, seen)]
    await run(server, twin)
    server.clock.advance(30 * HOUR)
    await run(server, twin)
    expect([await subjectsTo(late), await subjectsTo(seen)]).toEqual([[], []])
    server.clock.set(NOON + HOUR)
    const listed = await server.api.get('/v1/dashboard/flags', { token: late.token })
    expect(listed.body.data.map((flag: { id: string }) => flag.id)).toEqual([flags[0]?.id])
    await acknowledge(seen, flags[1]?.id as string)
    for (const family of [late, seen]) await verifyAddress(server, family.email)
    await run(server, twin)
    expect([await subjectsTo(late), await subjectsTo(seen)]).toEqual([[FIRST], []])
  })

  it('tell together of all flags of a child that wait; of its sister, and of what comes later, they tell apart', async () => {
    const family = await verifiedFamily()
    const sister = { ...family, childId: await createChild(server.api, family.token, { name: 'Ada' }) }
    const first = await flagWords(server, family)
    const other = await flagWords(server, family)
    await flagWords(server, family, { conversationId: first.conversationId })
    const hers = await flagWords(server, sister)
    await run(server, twin)
    const letters = await alertsTo(family)
    expect(letters.map((letter) => letter.subject).sort()).toEqual([FIRST, 'Please take a moment for Ada'].sort())
    const talksIn = (subject: string) => letters.find((letter) => letter.subject === subject)?.text.match(/(?<=conversations\/)\S+/g)
    expect(talksIn('Please take a moment for Ada')).toEqual([hers.conversationId])
    expect(talksIn(FIRST)?.sort()).toEqual([first.conversationId, other.conversationId].sort())
    server.clock.advance(MINUTE)
    await flagWords(server, family, { conversationId: first.conversationId })
    await run(server, twin)
    expect(await subjectsTo(family)).toEqual(['Please take a moment for Ada', FIRST, FIRST].sort())
  })

  it('are tried again at the next run and less and less often, until the mail server takes them', async () => {
    const family = await verifiedFamily()
    const { id } = await flagWords(server, family)
    smtp.refuse(() => true)
    const tries: number[] = []
    for (let minute = 0; minute <= 30; minute += 1) {
      const before = smtp.offered
      await run(mailing)
      if (smtp.offered > before) tries.push(minute)
      server.clock.advance(MINUTE)
    }
    expect(tries).toEqual([0, 1, 2, 5, 12, 27])
    expect(await rowOf(id)).toMatchObject({ alertedAt: null, mailFailures: 6 })
    expect(mailing.logs.filter((line) => line.includes('work in the background failed'))).toHaveLength(6)
    smtp.refuse(() => false)
    server.clock.advance(HOUR)
    await run(mailing, mailing)
    await run(mailing)
    expect(lettersOf(family).map((letter) => letter.subject)).toEqual([FIRST])
    expect(await rowOf(id)).toMatchObject({ alertedAt: expect.any(Date), heldUntil: null, mailFailures: 0 })
  })

  it('are never given up: the longest pause is an hour', () => {
    const minutes = [0, 1, 2, 3, 4, 5, 6, 7, 100, 5_000].map((failures) => retryAt(NOON, failures) - NOON).map((ms) => ms / MINUTE)
    expect(minutes).toEqual([0, 1, 3, 7, 15, 31, 60, 60, 60, 60])
  })

  it('to addresses that refuse them keep no other waiting', async () => {
    const refused = new Set<string>()
    for (let count = 0; count < 6; count += 1) {
      const family = await verifiedFamily()
      refused.add(family.email)
      await flagWords(server, family)
    }
    const later = await verifiedFamily()
    server.clock.advance(MINUTE)
    await flagWords(server, later)
    smtp.refuse((address) => refused.has(address))
    const before = smtp.offered
    await run(mailing)
    expect([smtp.offered - before, lettersOf(later)]).toEqual([5, []])
    server.clock.advance(MINUTE)
    await run(mailing)
    expect(lettersOf(later).map((letter) => letter.subject)).toEqual([FIRST])
  })

  describe('of an instance that dies', () => {
    const store = () => alertsStore(server.deps.db)
    const claim = async ({ childId }: Family) => (await store().claim({ audience: 'family', childId, isReminder: false }, server.clock.now())) as Alert

    it('before its mail has left go out once the lease has run out', async () => {
      const family = await verifiedFamily()
      await flagWords(server, family)
      expect((await claim(family)).flags).toHaveLength(1)
      server.clock.advance(LEASE_MS - 1)
      await run(server, twin)
      expect(await subjectsTo(family)).toEqual([])
      server.clock.advance(1)
      await run(server, twin)
      expect(await subjectsTo(family)).toEqual([FIRST])
    })

    it('after its mail has left go out a second time, rather than never', async () => {
      const family = await verifiedFamily()
      await flagWords(server, family)
      const lost = await claim(family)
      await server.deps.mailer.send({ to: family.email, subject: FIRST, text: 'sent, and not written down' })
      server.clock.advance(LEASE_MS)
      await run(server, twin)
      expect(await subjectsTo(family)).toEqual([FIRST, FIRST])
      const told = await rowOf(lost.flags[0]?.id as string)
      server.clock.advance(MINUTE)
      await store().sent(lost, server.clock.now())
      await store().giveBack(lost, server.clock.now())
      expect(await rowOf(told.id)).toEqual(told)
      await run(server, twin)
      expect(await subjectsTo(family)).toEqual([FIRST, FIRST])
    })
  })

  it('leave out a child that was erased, and a flag that was seen, after the job had found them', async () => {
    const [erased, seen] = [await verifiedFamily(), await verifiedFamily()]
    await flagWords(server, erased)
    const { id } = await flagWords(server, seen)
    const store = alertsStore(server.deps.db)
    const waiting = await store.waiting('family', server.clock.now(), 10)
    expect(waiting).toHaveLength(2)
    await acknowledge(seen, id)
    await server.api.delete(`/v1/children/${erased.childId}`, { token: erased.token })
    expect(await Promise.all(waiting.map((found) => store.claim(found, server.clock.now())))).toEqual([undefined, undefined])
  })
})
