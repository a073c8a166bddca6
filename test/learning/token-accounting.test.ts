import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ModelPatience } from '../../src/deps.ts'
import { onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { HASTY, learnAllDay, type ModelApp, type ModelFamily, startModelApp } from '../helpers/model-app.ts'
import { type Behaviour, cuts, ends, fails, hangs, replies, streams } from '../helpers/model-server.ts'

const QUESTION = 'What if a planet had two suns?'
const HOUR_MS = 3_600_000
/** For a model that is to be waited for, however busy the machine is. */
const PATIENT: ModelPatience = {}
/** What a reply costs, unless it says otherwise. */
const REPLY = 1_020

const open: ModelApp[] = []
afterEach(async () => {
  for (const app of open.splice(0)) await app.close()
})
async function start(behaviour: Behaviour = replies(), env: Readonly<Record<string, string>> = {}, patience: ModelPatience = HASTY) {
  const app = await startModelApp(behaviour, { env, patience })
  open.push(app)
  const family = await learnAllDay(app.server)
  return { app, child: { ...(await onTheTablet(app.server.api, family)), conversation: family.conversation } }
}

const ask = ({ server }: ModelApp, child: ModelFamily, said: number | string = QUESTION) => takeTurn(server.api, child, child.conversation, said)
const modelOf = async (turn: ReturnType<typeof ask>) => (await turn).body.data.assistant_message.model
const usedBy = async ({ server }: ModelApp, { childId }: ModelFamily) => {
  const { tokensUsed, tokensDay } = await server.deps.db.prisma.learner.findUniqueOrThrow({ where: { childId } })
  return [tokensUsed, tokensDay?.toISOString().slice(0, 10)]
}

/** Replies once it is let. */
function gatedReply(): { readonly behaviour: Behaviour; open(): void } {
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  return {
    open: () => open(),
    async behaviour(response, request) {
      await gate
      return replies()(response, request)
    },
  }
}

// Attack: a child, or whatever goes wrong around it, makes the provider work without its being counted.
describe('what a child has used of a language model', () => {
  it('counts when the turn is lost to another one after the model has spoken, and the same words asked again', async () => {
    const { app, child } = await start()
    app.provider.behave(async (response, request) => {
      // As when this instance could not renew its lease, and another one took the turn over.
      await app.server.deps.db.prisma.conversation.update({ where: { id: child.conversation }, data: { leaseToken: null, leaseUntil: null } })
      return replies()(response, request)
    })
    expect((await ask(app, child)).status).toBe(409)
    expect(await usedBy(app, child)).toEqual([REPLY, '2026-11-21'])
    app.provider.behave(replies())
    expect(await modelOf(ask(app, child))).toBe('scripted-model')
    expect(await usedBy(app, child)).toEqual([2 * REPLY, '2026-11-21'])
  })

  it('counts once when the reply is stored and the database breaks off before it says so', async () => {
    const { app, child } = await start()
    const { db } = app.server.deps
    const { query } = db
    const spy = vi.spyOn(db, 'query').mockImplementation(async (statement, values) => {
      const rows = await query(statement, values)
      if (statement.name === 'turns.finish') throw new Error('Connection terminated unexpectedly')
      return rows as never
    })
    expect((await ask(app, child)).status).toBe(503)
    spy.mockRestore()
    expect(await usedBy(app, child)).toEqual([REPLY, '2026-11-21'])
  })

  it.each<[string, Behaviour]>([
    ['is silent', hangs],
    ['is silent after its headers', streams('', { after: hangs })],
    ['ends without a word', streams('', { after: ends })],
    ['cuts the wire before a word', streams('', { after: cuts })],
    ['does not count, and says that it took nothing', replies({}, { usage: { prompt_tokens: 0, completion_tokens: 0 } })],
  ])('counts the request when the provider takes it and %s', async (_how, behaviour) => {
    const { app, child } = await start(behaviour)
    expect((await ask(app, child)).status).toBe(201)
    const [used] = await usedBy(app, child)
    expect(used).toBeGreaterThan(app.provider.requests.length * 500)
  })

  it('counts nothing when the provider refuses the request unread', async () => {
    for (const behaviour of [fails(401), fails(500), fails(429)]) {
      const { app, child } = await start(behaviour)
      expect(await modelOf(ask(app, child))).toBe('builtin')
      expect((await usedBy(app, child))[0]).toBe(0)
    }
  })

  it('in its new day is not forgotten when a turn of the day before is finished later', async () => {
    const late = gatedReply()
    const { app, child } = await start(late.behaviour, {}, PATIENT)
    app.provider.behave(late.behaviour, replies())
    // Half past eleven at night in New York.
    app.server.clock.advance(11.5 * HOUR_MS)
    const other = { ...child, conversation: await startConversation(app.server.api, child, TOPIC.animals) }
    const first = ask(app, child)
    await app.provider.asked(1)
    app.server.clock.advance(HOUR_MS)
    expect(await modelOf(ask(app, other))).toBe('scripted-model')
    expect(await usedBy(app, child)).toEqual([REPLY, '2026-11-22'])
    late.open()
    expect(await modelOf(first)).toBe('scripted-model')
    expect(await usedBy(app, child)).toEqual([2 * REPLY, '2026-11-22'])
  })

  // Attack: the time zone is moved there and back, and each time the budget is fresh.
  it('is not forgotten by travel that takes the day back', async () => {
    const { app, child } = await start(replies({}, { usage: { prompt_tokens: 4_000, completion_tokens: 500 } }), { TUTOR_TOKENS_PER_CHILD_DAY: '10000' })
    const { api, deps } = app.server
    const travelTo = async (timezone: string) => deps.db.prisma.parent.updateMany({ data: { timezone } })
    await travelTo('Pacific/Auckland')
    for (let turn = 0; turn < 2; turn += 1) expect(await modelOf(ask(app, child))).toBe('scripted-model')
    await travelTo('America/New_York')
    const other = { ...child, conversation: await startConversation(api, child, TOPIC.animals) }
    for (const talk of [child, other]) expect(await modelOf(ask(app, talk))).toBe('builtin')
    expect(await usedBy(app, child)).toEqual([9_000, '2026-11-22'])
  })
})

describe('what all children have used', () => {
  it('in the new day of the clock is not made less by a turn that began the day before', async () => {
    const late = gatedReply()
    const { app, child } = await start(late.behaviour, { TUTOR_TOKENS_PER_DAY: '4000' }, PATIENT)
    app.provider.behave(late.behaviour, replies())
    app.server.clock.advance(6.9 * HOUR_MS)
    const first = ask(app, child)
    await app.provider.asked(1)
    app.server.clock.advance(HOUR_MS)
    const others = await learnAllDay(app.server)
    expect(await modelOf(ask(app, others))).toBe('scripted-model')
    late.open()
    await first
    // 2,040 are used; with those that a request sets aside there is room for one more.
    expect(await modelOf(ask(app, others))).toBe('scripted-model')
    expect(await modelOf(ask(app, others))).toBe('builtin')
  })
})
