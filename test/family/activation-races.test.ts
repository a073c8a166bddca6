import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiResponse } from '../helpers/api.ts'
import { expectRefusal, type Family, makeFamily, PASSWORD } from '../helpers/family.ts'
import { holdRows } from '../helpers/row-lock.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('activating a child while something ends its sessions', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const activate = (family: Family, pin?: string) =>
    server.api.post(`/v1/children/${family.childId}/activate`, { token: family.token, body: pin ? { pin } : {} })
  /** Rows that the new session refers to, so that its insertion waits for them. */
  const holdAccount = (family: Family) => holdRows(server.databaseUrl, 'SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE', [family.id])
  const holdChild = (family: Family) => holdRows(server.databaseUrl, 'SELECT 1 FROM children WHERE id = $1 FOR UPDATE', [family.childId])

  async function expectNoWayIn(family: Family, activation: ApiResponse): Promise<void> {
    expect(await server.deps.db.prisma.session.count({ where: { childId: family.childId, revokedAt: null } })).toBe(0)
    if (activation.status !== 200) return
    const token: string = activation.body.data.session_token
    expect((await server.api.get('/v1/constellation', { token })).status).toBe(401)
  }

  // Attack: somebody who knows the old PIN asks for a token in the moment the parent changes it, and keeps it for 30 days.
  it('leaves no session of the old PIN', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    const rows = await holdAccount(family)
    const activation = activate(family, '1234')
    await rows.waiters(1)
    const changing = server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { pin: '5678' } })
    await Promise.race([changing, rows.waiters(2)])
    await rows.release()
    expect((await changing).status).toBe(200)
    await expectNoWayIn(family, await activation)
  })

  // Attack: a thief with the old password asks for a child token in the moment the parent changes it.
  it('leaves no session of the old password', async () => {
    const family = await makeFamily(server.api)
    const login = await server.api.post('/v1/auth/login', { body: { email: family.email, password: PASSWORD } })
    const thief = { ...family, token: login.body.data.tokens.access_token as string }
    const rows = await holdChild(family)
    const activation = activate(thief)
    await rows.waiters(1)
    const body = { current_password: PASSWORD, new_password: 'An0ther-Otter-Parade' }
    const changing = server.api.post('/v1/auth/password', { token: family.token, body })
    await Promise.race([changing, rows.waiters(2)])
    await rows.release()
    expect((await changing).status).toBe(204)
    await expectNoWayIn(family, await activation)
  })

  it('answers as for any child that is not there when it is deleted meanwhile', async () => {
    const family = await makeFamily(server.api)
    const rows = await holdAccount(family)
    const activation = activate(family)
    await rows.waiters(1)
    const deleting = server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
    await Promise.race([deleting, rows.waiters(2)])
    await rows.release()
    expect((await deleting).status).toBe(204)
    const answer = await activation
    if (answer.status === 200) await expectNoWayIn(family, answer)
    else expectRefusal(answer, 403, 'CHILD_ACCESS_DENIED')
  })
})
