import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anotherDevice, NEW_PASSWORD, sessionOf } from '../helpers/accounts.ts'
import { childToken, createChild, makeFamily, PASSWORD, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { calm, comeBack, stateOf } from '../helpers/live.ts'
import { until } from '../helpers/pressure.ts'
import { holdOffConnections, holdRows } from '../helpers/row-lock.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket, openSocket } from '../helpers/socket.ts'

describe('open sockets', () => {
  let server: TestServer
  let address: string
  /** A second instance on the same database. */
  let other: TestServer
  let otherAddress: string
  beforeAll(async () => {
    server = await startTestServer()
    address = await server.listen()
    other = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock })
    otherAddress = await other.listen()
    await Promise.all([calm(server), calm(other)])
  })
  afterAll(async () => {
    await other.close()
    await server.close()
  })

  /** A family on five devices: two sockets of the parent's first session, one of a second, one of the tablet, one of another family. */
  async function devices() {
    const [family, stranger] = [await makeFamily(server.api), await makeFamily(server.api)]
    const laptop = await anotherDevice(server.api, family)
    const sibling = await createChild(server.api, family.token, { name: 'Noah' })
    const tablet = await childToken(server.api, family)
    const siblingTablet = await childToken(server.api, { ...family, childId: sibling })
    const sockets = {
      phone: await openChildSocket(address, family.token, family.childId),
      phoneForSibling: await openChildSocket(address, family.token, sibling),
      phoneElsewhere: await openChildSocket(otherAddress, family.token, family.childId),
      laptop: await openChildSocket(address, laptop.token, family.childId),
      tablet: await openChildSocket(address, tablet),
      tabletElsewhere: await openChildSocket(otherAddress, tablet),
      siblingTablet: await openChildSocket(address, siblingTablet),
      stranger: await openChildSocket(address, stranger.token, stranger.childId),
    }
    return { family, stranger, laptop, sibling, tablet, sockets }
  }
  type Sockets = Awaited<ReturnType<typeof devices>>['sockets']

  /** Waits until the sockets named are closed with 4401 and finds the others open. */
  async function expectClosed(sockets: Sockets, ...closed: (keyof Sockets)[]): Promise<void> {
    for (const name of closed) expect(await sockets[name].closed, name).toBe(4401)
    for (const [name, socket] of Object.entries(sockets)) {
      if (!closed.includes(name as keyof Sockets)) expect(await stateOf(socket), name).toBe('open')
      socket.close()
    }
  }

  it('of a session close with 4401 when it logs out, on every instance, and no others', async () => {
    const { family, sockets } = await devices()
    expect((await server.api.post('/v1/auth/logout', { token: family.token })).status).toBe(204)
    await expectClosed(sockets, 'phone', 'phoneForSibling', 'phoneElsewhere')
  })

  it('of a session close with 4401 when another device ends it', async () => {
    const { family, laptop, sockets } = await devices()
    expect((await other.api.delete(`/v1/auth/sessions/${sessionOf(family.token)}`, { token: laptop.token })).status).toBe(204)
    await expectClosed(sockets, 'phone', 'phoneForSibling', 'phoneElsewhere')
  })

  it('of the tablet close with 4401 when the parent ends its session alone', async () => {
    const { family, tablet, sockets } = await devices()
    expect((await server.api.delete(`/v1/auth/sessions/${sessionOf(tablet)}`, { token: family.token })).status).toBe(204)
    await expectClosed(sockets, 'tablet', 'tabletElsewhere')
  })

  it("close with 4401 when the password changes, the children's too, but for the session that changed it", async () => {
    const { family, sockets } = await devices()
    const body = { current_password: PASSWORD, new_password: NEW_PASSWORD }
    expect((await server.api.post('/v1/auth/password', { token: family.token, body })).status).toBe(204)
    await expectClosed(sockets, 'laptop', 'tablet', 'tabletElsewhere', 'siblingTablet')
  })

  it("of a child's own sessions close with 4401 when its PIN changes", async () => {
    const { family, sockets } = await devices()
    expect((await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { pin: '4821' } })).status).toBe(200)
    await expectClosed(sockets, 'tablet', 'tabletElsewhere')
  })

  it("of a child's own sessions close with 4401 when the child is deleted", async () => {
    const { family, sockets } = await devices()
    expect((await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
    for (const name of ['tablet', 'tabletElsewhere'] as const) expect(await sockets[name].closed, name).toBe(4401)
    for (const name of ['phoneForSibling', 'siblingTablet', 'stranger'] as const) expect(await stateOf(sockets[name]), name).toBe('open')
  })

  it('that parents hold for a child close with 4403 when the child is deleted', async () => {
    const { family, sockets } = await devices()
    expect((await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
    for (const name of ['phone', 'laptop', 'phoneElsewhere'] as const) expect(await sockets[name].closed, name).toBe(4403)
    for (const name of ['phoneForSibling', 'siblingTablet', 'stranger'] as const) expect(await stateOf(sockets[name]), name).toBe('open')
  })

  it('close with 4403 when the child is deleted, and a restricted topic is forgotten, though PostgreSQL tells nobody', async () => {
    const [family, restricting] = [await makeFamily(server.api), await makeFamily(server.api)]
    const sockets = [await openChildSocket(address, family.token, family.childId), await openChildSocket(otherAddress, family.token, family.childId)]
    const { epoch } = await (await openChildSocket(address, restricting.token, restricting.childId)).waitFor('ready')
    await takeTurn(server.api, restricting, await startConversation(server.api, restricting))
    const connections = await holdOffConnections(server.databaseUrl)
    try {
      await connections.end('brainspark-listen')
      await until(async () => (await server.api.get('/readyz')).body.checks.revocations === 'failed')
      expect((await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
      const body = { settings: { restricted_topics: [TOPIC.space] } }
      expect((await server.api.patch(`/v1/children/${restricting.childId}`, { token: restricting.token, body })).status).toBe(200)
      for (const socket of sockets) expect(await socket.closed).toBe(4403)
      expect((await comeBack(address, restricting, { epoch, seq: 0 })).frames.at(-1)).toEqual({ type: 'resumed', recovered: false })
    } finally {
      await connections.release()
    }
    await until(async () => [server, other].every(({ deps }) => deps.revocations.connected))
  })

  // Attack: authenticating at the very moment of the logout, to be listening when it has passed.
  it('are not opened by a token whose session ends while it is being checked', async () => {
    const family = await makeFamily(server.api)
    const socket = await openSocket(address)
    const lock = await holdRows(server.databaseUrl, 'LOCK TABLE children IN ACCESS EXCLUSIVE MODE', [])
    socket.send({ type: 'auth', token: family.token, child_id: family.childId })
    await lock.waiters(1)
    expect((await server.api.post('/v1/auth/logout', { token: family.token })).status).toBe(204)
    await lock.release()
    expect(await socket.closed).toBe(4401)
    expect(socket.frames).toEqual([])
  })

  // Attack: after the logout the client leaves the close frame unread and goes on talking through the half-open socket.
  it('take no turn once they were told to close', async () => {
    const family = await makeFamily(server.api)
    const laptop = { ...family, token: (await anotherDevice(server.api, family)).token }
    const [conversation, elsewhere] = [await startConversation(server.api, family), await startConversation(server.api, family, TOPIC.animals)]
    const socket = await openChildSocket(address, family.token, family.childId)
    socket.raw.pause()
    expect((await server.api.post('/v1/auth/logout', { token: family.token })).status).toBe(204)
    socket.send({ type: 'message', conversation_id: conversation, choice_index: 0 })
    socket.raw.resume()
    expect(await socket.closed).toBe(4401)
    for (let turn = 0; turn < 3; turn += 1) expect((await takeTurn(server.api, laptop, elsewhere)).status).toBe(201)
    expect(await server.deps.db.prisma.message.count({ where: { conversationId: conversation, role: 'user' } })).toBe(0)
  })
})
