import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { comeBack, eventsOf, isTurnEnd, stateOf } from '../helpers/live.ts'
import { learnAllDay, type ModelApp, startModelApp } from '../helpers/model-app.ts'
import { type Behaviour, fails, finds, hangs, replies } from '../helpers/model-server.ts'
import { until } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { type Frame, openChildSocket, openSocket, type SocketClient } from '../helpers/socket.ts'

const redisUrl = inject('redisUrl')
const DISCLOSURE = 'my dad hits me with his belt'
/** Innocent by our own rules, and about somebody who looks after the child. */
const OF_MUM = 'my mom beats me at chess every time'
const HELP = /Thank you for telling me|crisis|grown-up you trust/i
const seqs = (events: readonly Frame[]) => events.map((event) => event.seq)
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)
const withoutSeq = (events: readonly Frame[]) => events.map(({ seq: _seq, ...event }) => event)
const turnsIn = (socket: SocketClient) => eventsOf(socket.frames).filter(isTurnEnd).length

/** The sockets of a parent and of the child's tablet. */
async function listeners(address: string, family: Family, tablet: Family, elsewhere = address) {
  return { parent: await openChildSocket(elsewhere, family.token, family.childId), child: await openChildSocket(address, tablet.token) }
}

const INSTANCES: [string, boolean][] = [
  ['of one instance', false],
  ['of two instances with one Redis', true],
]

// Attack: the one who hurts the child listens on a socket while the child tells of it.
describe.each(INSTANCES)('a turn that is withheld, on the sockets %s', (_which, isShared) => {
  describe.skipIf(isShared && !redisUrl)('', () => {
    let server: TestServer
    let twin: TestServer
    let address: string
    let elsewhere: string
    beforeAll(async () => {
      const options = { gateway: { maxSocketsPerChild: 4 }, ...(isShared && { env: { REDIS_URL: redisUrl } }) }
      server = await startTestServer(options)
      address = await server.listen()
      const { databaseUrl, dataDir, clock } = server
      twin = isShared ? await startTestServer({ ...options, databaseUrl, dataDir, clock }) : server
      elsewhere = isShared ? await twin.listen() : address
      for (const each of [server, twin]) await until(() => each.deps.live.connected)
    })
    afterAll(async () => {
      if (isShared) await twin.close()
      await server.close()
    })

    it('reaches the child and no parent, live or resumed, and leaves no gap', async () => {
      const family = await makeFamily(server.api)
      const tablet = await onTheTablet(server.api, family)
      const conversation = await startConversation(server.api, family)
      const { parent, child } = await listeners(address, family, tablet, elsewhere)
      const { epoch } = await parent.waitFor('ready')
      const childEpoch = (await child.waitFor('ready')).epoch
      const first = await takeTurn(server.api, tablet, conversation)
      await until(() => turnsIn(parent) === 1)
      const before = eventsOf(parent.frames).length
      parent.close()
      await parent.closed
      const told = await takeTurn(server.api, tablet, conversation, DISCLOSURE)
      const help = told.body.data.assistant_message
      expect(help.content).toMatch(HELP)
      const last = await takeTurn(server.api, tablet, conversation)
      await until(() => turnsIn(child) === 3)
      const all = eventsOf(child.frames)
      expect(seqs(all)).toEqual(upTo(all.length))
      expect(all.filter(({ type }) => type === 'message_complete').map(({ message }) => message)).toEqual(
        [first, told, last].map(({ body }) => body.data.assistant_message),
      )

      const { socket, frames } = await comeBack(elsewhere, family, { epoch, seq: before })
      const missed = eventsOf(frames)
      expect(seqs(missed)).toEqual(missed.map((_, index) => before + 1 + index))
      expect(frames.at(-1)).toEqual({ type: 'resumed', recovered: true })
      const ofLast = withoutSeq(all.slice(all.findIndex(isTurnEnd) + 1)).slice(all.slice(all.findIndex(isTurnEnd) + 1).findIndex(isTurnEnd) + 1)
      expect(withoutSeq(missed)).toEqual(ofLast)

      await takeTurn(server.api, tablet, conversation, `${DISCLOSURE} again`)
      await takeTurn(server.api, tablet, conversation)
      await until(() => turnsIn(socket) === 2)
      const heard = [...eventsOf(parent.frames), ...eventsOf(socket.frames)]
      expect(seqs(heard)).toEqual(upTo(heard.length))
      expect(JSON.stringify([parent.frames, socket.frames])).not.toContain(help.id)
      expect(JSON.stringify([parent.frames, socket.frames])).not.toMatch(HELP)

      // Attack: the place of the child is asked for with the token of a parent.
      const sly = await comeBack(elsewhere, family, { epoch: childEpoch, seq: 0 })
      expect(sly.frames.map(({ type, recovered }) => [type, recovered])).toEqual([
        ['ready', undefined],
        ['resumed', false],
      ])
      const back = await comeBack(elsewhere, tablet, { epoch: childEpoch, seq: 0 })
      expect(eventsOf(back.frames).slice(0, all.length)).toEqual(all)
    })

    it('taken on a socket of the parent is answered there, and nowhere told', async () => {
      const family = await makeFamily(server.api)
      const conversation = await startConversation(server.api, family)
      const { parent, child } = await listeners(address, family, await onTheTablet(server.api, family), elsewhere)
      const other = await openChildSocket(elsewhere, family.token, family.childId)
      parent.send({ type: 'message', conversation_id: conversation, content: DISCLOSURE })
      const result = await parent.waitFor('message_result')
      expect(result.data.assistant_message.content).toMatch(HELP)
      await until(() => turnsIn(child) === 1)
      for (const socket of [parent, other]) expect([await stateOf(socket), eventsOf(socket.frames)]).toEqual(['open', []])
    })

    it('does not change how many may listen to a child, its family counted', async () => {
      const family = await makeFamily(server.api)
      const { parent, child } = await listeners(address, family, await onTheTablet(server.api, family), elsewhere)
      const others = [await openChildSocket(address, family.token, family.childId), await openChildSocket(elsewhere, family.token, family.childId)]
      const extra = await openSocket(elsewhere)
      extra.send({ type: 'auth', token: family.token, child_id: family.childId })
      expect(await extra.closed).toBe(4429)
      for (const socket of [parent, child, ...others]) expect(await stateOf(socket)).toBe('open')
    })

    // What is past may speak of what the parent has just closed; so may what only the child has heard.
    it('is kept for nobody when a topic is closed, nor is anything else', async () => {
      const family = await makeFamily(server.api)
      const tablet = await onTheTablet(server.api, family)
      const conversation = await startConversation(server.api, family)
      const { parent, child } = await listeners(address, family, tablet, elsewhere)
      const [ofParent, ofChild] = [await parent.waitFor('ready'), await child.waitFor('ready')]
      await takeTurn(server.api, tablet, conversation, DISCLOSURE)
      await takeTurn(server.api, tablet, conversation)
      await until(() => turnsIn(parent) === 1 && turnsIn(child) === 2)
      const settings = { restricted_topics: [TOPIC.animals] }
      expect((await server.api.patch(`/v1/dashboard/children/${family.childId}/settings`, { token: family.token, body: settings })).status).toBe(200)
      for (const [who, { epoch }] of [
        [family, ofParent],
        [tablet, ofChild],
      ] as const) {
        await until(async () => (await comeBackAndLeave(address, who, epoch)) === false)
      }
    })
  })
})

async function comeBackAndLeave(address: string, who: Family, epoch: string): Promise<boolean> {
  const { socket, frames } = await comeBack(address, who, { epoch, seq: 0 })
  socket.close()
  await socket.closed
  return frames.at(-1)?.recovered
}

describe('words that a provider has yet to judge', () => {
  const open: ModelApp[] = []
  afterEach(async () => {
    for (const app of open.splice(0)) await app.close()
  })
  async function start(behaviour: Behaviour) {
    const app = await startModelApp(replies(), { env: { MODERATION_MODEL: 'scripted-moderation' }, patience: {} })
    open.push(app)
    app.provider.moderation.behave(behaviour)
    const family = await learnAllDay(app.server)
    const tablet = await onTheTablet(app.server.api, family)
    return { app, family, tablet, ...(await listeners(await app.server.listen(), family, tablet)) }
  }
  type Started = Awaited<ReturnType<typeof start>>
  const say = ({ app, tablet, family }: Started, words = OF_MUM) => takeTurn(app.server.api, tablet, family.conversation, words)
  const seenByParent = async ({ app, family }: Started) => {
    const { body } = await app.server.api.get(`/v1/dashboard/conversations/${family.conversation}`, { token: family.token })
    return body.data.messages.slice(1).map(({ content }: { content: string }) => content)
  }

  it('reach no socket of the parent when it finds a disclosure in them', async () => {
    const started = await start(finds('self-harm'))
    const { status, body } = await say(started)
    expect([status, body.data.assistant_message.content]).toEqual([201, expect.stringMatching(HELP)])
    await until(() => turnsIn(started.child) === 1)
    expect([await stateOf(started.parent), eventsOf(started.parent.frames)]).toEqual(['open', []])
    expect(await seenByParent(started)).toEqual([])
  })

  // Attack: a parent looks while the provider takes its time, or the process dies before it has judged.
  it('are not shown to the parent before it has judged them, also when the process dies over it', async () => {
    const started = await start(hangs)
    const { app, child, parent } = started
    const turn = say(started)
    await app.provider.moderation.asked(1)
    expect(await seenByParent(started)).toEqual([])
    expect(eventsOf(parent.frames)).toEqual([])
    expect(eventsOf(child.frames).map(({ type }) => type)).toEqual(['typing'])
    // As after a crash: nobody holds the lease, and the words come again.
    await app.server.deps.db.prisma.conversation.updateMany({ data: { leaseToken: null, leaseUntil: null } })
    app.provider.moderation.behave(finds('self-harm'))
    expect((await say(started)).status).toBe(201)
    expect(await seenByParent(started)).toEqual([])
    expect((await turn).status).toBe(409)
    expect(JSON.stringify(parent.frames)).not.toMatch(HELP)
  })

  it.each<[string, Behaviour]>([
    ['finds nothing in them', finds()],
    ['cannot judge them', fails(401)],
    ['finds them unkind', finds('harassment')],
  ])('reach the parent like any others when it %s', async (_how, behaviour) => {
    const started = await start(behaviour)
    const { body } = await say(started)
    await until(() => turnsIn(started.parent) === 1 && turnsIn(started.child) === 1)
    expect(eventsOf(started.parent.frames)).toEqual(eventsOf(started.child.frames))
    expect(eventsOf(started.parent.frames)[0]).toMatchObject({ type: 'typing', is_typing: true })
    expect(await seenByParent(started)).toEqual([OF_MUM, body.data.assistant_message.content])
  })
})
