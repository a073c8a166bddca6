import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FREE_AVATARS } from '../../src/family/children.service.ts'
import { loadShop } from '../../src/learning/rewards/shop.catalogue.ts'
import { expectRefusal, type Family, makeFamily } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { giveStars, purse } from '../helpers/stars.ts'

const shop = loadShop()

describe('the shop', () => {
  it('has 20 items at least, of every category, from 100 to 1,500 stars, a picture each', () => {
    expect(shop.items.length).toBeGreaterThanOrEqual(20)
    expect(new Set(shop.items.map((item) => item.category))).toEqual(new Set(['avatar', 'theme', 'companion', 'streak_freeze']))
    expect(shop.item('avatar_astronaut')).toMatchObject({ name: 'Astronaut Avatar', cost: 100 })
    expect(shop.item('theme_ocean')).toMatchObject({ name: 'Ocean Theme', cost: 150 })
    for (const id of [...shop.items.map((item) => item.id), ...FREE_AVATARS]) {
      const picture = shop.preview(id) ?? ''
      expect(picture, id).toMatch(/^<svg[^>]* viewBox="0 0 128 128"/)
      expect(picture, id).not.toMatch(/<script|<style|\bhref|\bon\w+=|url\(/)
      expect(picture.length, id).toBeLessThan(3_000)
    }
  })
})

describe('buying', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const who = (family: Family) => ({ token: family.token, child: family.childId })
  const buy = (family: Family, item: string, key?: string) => server.api.post(`/v1/shop/${item}/purchase`, { ...who(family), key })
  const offers = async (family: Family) => (await server.api.get('/v1/shop', who(family))).body.data as { id: string; owned: boolean; preview_url: string }[]

  it('spends the stars, hands over the item and shows it as owned and unlocked', async () => {
    const family = await makeFamily(server.api)
    await giveStars(server, family.childId, 234)
    const bought = await buy(family, 'avatar_astronaut')
    expect(bought.status, bought.text).toBe(200)
    expect(bought.body.data).toEqual({ purchased: true, item: { id: 'avatar_astronaut', name: 'Astronaut Avatar' }, stars_spent: 100, new_balance: 134 })
    expect((await offers(family)).filter((offer) => offer.owned).map((offer) => offer.id)).toEqual(['avatar_astronaut'])
    const { data } = (await server.api.get('/v1/rewards', who(family))).body
    expect(data).toEqual({
      stars: { balance: 134, lifetime_earned: 234 },
      badges: [],
      unlocks: [{ id: 'avatar_astronaut', name: 'Astronaut Avatar', type: 'avatar', unlocked_at: '2026-11-21T17:00:00Z' }],
    })
    expect(Object.keys((await server.api.get('/v1/rewards?type=star', who(family))).body.data)).toEqual(['stars'])
    expectRefusal(await server.api.get('/v1/rewards?type=coin', who(family)), 400, 'VALIDATION_ERROR', 'type')
  })

  it('shows its pictures at an address of the host that was asked, to anybody', async () => {
    const family = await makeFamily(server.api)
    const { body } = await server.api.get('/v1/shop', { ...who(family), headers: { host: 'kids.example:8443' } })
    const url = new URL(body.data[0].preview_url)
    expect(url.host).toBe('kids.example:8443')
    const picture = await server.api.get(url.pathname)
    expect([picture.status, picture.headers['content-type'], picture.headers['cross-origin-resource-policy']]).toEqual([200, 'image/svg+xml', 'cross-origin'])
    expect(picture.text).toMatch(/^<svg/)
    for (const file of ['nothing.svg', '..%2Fshop.yaml', 'avatar_fox', 'avatar_fox.png'])
      expectRefusal(await server.api.get(`/v1/shop/previews/${file}`), 404, 'NOT_FOUND')
  })

  it('refuses too few stars with how many are missing, what is owned, what is not there, and takes nothing', async () => {
    const family = await makeFamily(server.api)
    await giveStars(server, family.childId, 99)
    const poor = await buy(family, 'avatar_astronaut')
    expectRefusal(poor, 422, 'UNPROCESSABLE_ENTITY')
    expect(poor.body.error.child_message).toBe('One more star to go!')
    await giveStars(server, family.childId, 301)
    await buy(family, 'theme_ocean')
    expectRefusal(await buy(family, 'theme_ocean'), 409, 'CONFLICT')
    expectRefusal(await buy(family, 'avatar_nobody'), 404, 'NOT_FOUND')
    expect(await purse(server, family)).toMatchObject({ balance: 250, starSum: 250 })
  })

  it('takes the stars once when a hundred devices buy together', async () => {
    const family = await makeFamily(server.api)
    await giveStars(server, family.childId, 1_000)
    const answers = await Promise.all(Array.from({ length: 100 }, () => buy(family, 'avatar_robot')))
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1)
    expect(await purse(server, family)).toMatchObject({ balance: 850, starSum: 850 })
  })

  it('never overspends when different items are bought together', async () => {
    const family = await makeFamily(server.api)
    await giveStars(server, family.childId, 500)
    const answers = await Promise.all(shop.items.map((item) => buy(family, item.id)))
    const spent = answers.filter((answer) => answer.status === 200).reduce((sum, answer) => sum + answer.body.data.stars_spent, 0)
    expect(spent).toBeGreaterThan(0)
    expect(await purse(server, family)).toMatchObject({ balance: 500 - spent, starSum: 500 - spent })
    for (const answer of answers.filter((candidate) => candidate.status !== 200)) expect([422, 503]).toContain(answer.status)
  })

  it('answers a retry with the same key without buying again', async () => {
    const family = await makeFamily(server.api)
    await giveStars(server, family.childId, 600)
    const first = await buy(family, 'streak_freeze', 'buy-1')
    const again = await buy(family, 'streak_freeze', 'buy-1')
    expect(again.body.data).toEqual(first.body.data)
    expect(await purse(server, family)).toEqual({ balance: 400, starSum: 400, freezes: 3, freezeSum: 3 })
    expectRefusal(await buy(family, 'streak_freeze'), 409, 'CONFLICT')
    expect(await purse(server, family)).toEqual({ balance: 400, starSum: 400, freezes: 3, freezeSum: 3 })
  })

  it('lets a bought avatar be worn, and no other', async () => {
    const family = await makeFamily(server.api)
    const wear = (avatar_id: string) => server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { avatar_id } })
    expectRefusal(await wear('avatar_astronaut'), 400, 'VALIDATION_ERROR', 'avatar_id')
    await giveStars(server, family.childId, 300)
    await buy(family, 'avatar_astronaut')
    await buy(family, 'theme_ocean')
    expect((await wear('avatar_astronaut')).body.data.avatar_id).toBe('avatar_astronaut')
    expect((await wear('avatar_owl')).body.data.avatar_id).toBe('avatar_owl')
    for (const foreign of ['theme_ocean', 'avatar_dragon', '']) expectRefusal(await wear(foreign), 400, 'VALIDATION_ERROR', 'avatar_id')
  })
})
