import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { createChild, expectRefusal, type Family, makeFamily, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const MINUTE_MS = 60_000

describe('the dashboard', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const get = (family: { token: string }, path: string) => server.api.get(`/v1/dashboard${path}`, { token: family.token })

  /** A conversation of these turns, a minute each, ended; its id. */
  async function talk(family: Family, topicId: string, ...said: (number | string)[]): Promise<string> {
    const conversation = await startConversation(server.api, family, topicId)
    for (const words of said) {
      server.clock.advance(MINUTE_MS)
      expect((await takeTurn(server.api, family, conversation, words)).status).toBe(201)
    }
    await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId })
    return conversation
  }

  describe('summary', () => {
    it('tells of each child what it did, days without learning too, in two round trips', async () => {
      const family = await makeFamily(server.api)
      server.clock.advance(1_000)
      await createChild(server.api, family.token, { name: 'Noah' })
      await talk(family, TOPIC.physics, 0, 0, 0)
      await talk(family, TOPIC.space, 0, 'Why do stars twinkle?')
      const { result, roundTrips } = await server.deps.db.countRoundTrips(() => get(family, ''))
      expect(roundTrips).toBeLessThanOrEqual(3)
      const { period, children } = result.body.data
      expect([period, children.map((child: { name: string }) => child.name)]).toEqual(['week', ['Emma', 'Noah']])
      expect(children[0].summary).toEqual({
        total_time_minutes: 5,
        sessions_count: 2,
        topics_explored: 2,
        new_topics_unlocked: 2,
        brain_sparks_completed: 0,
        current_streak: 1,
        stars_earned: 20,
      })
      expect(children[0].daily_breakdown).toHaveLength(7)
      expect(children[0].daily_breakdown.slice(0, 2)).toEqual([
        { date: '2026-11-21', minutes: 5, active: true },
        { date: '2026-11-20', minutes: 0, active: false },
      ])
      expect(children[1].summary).toMatchObject({ total_time_minutes: 0, sessions_count: 0, current_streak: 0, new_topics_unlocked: 0 })
    })

    it('is for one child when asked, for a day or a month, and for none of another family', async () => {
      const family = await makeFamily(server.api)
      const noah = await createChild(server.api, family.token, { name: 'Noah' })
      const one = await get(family, `?child_id=${noah}&period=month`)
      expect(one.body.data.children.map((child: { id: string }) => child.id)).toEqual([noah])
      expect(one.body.data.children[0].daily_breakdown).toHaveLength(30)
      expect((await get(family, '?period=day')).body.data.children[0].daily_breakdown).toHaveLength(1)
      const other = await makeFamily(server.api)
      expectRefusal(await get(other, `?child_id=${noah}`), 403, 'CHILD_ACCESS_DENIED')
      expectRefusal(await get(family, '?period=year'), 400, 'VALIDATION_ERROR', 'period')
      expectRefusal(await get(family, '?child_id=x'), 400, 'VALIDATION_ERROR', 'child_id')
    })
  })

  describe('activity', () => {
    it('shows topics with time, depth before and after, and what the child asked, in at most three round trips', async () => {
      const family = await makeFamily(server.api)
      await talk(family, TOPIC.space, 0, 'Why do stars twinkle?', 'How big is the Sun?')
      const { result, roundTrips } = await server.deps.db.countRoundTrips(() => get(family, `/children/${family.childId}/activity?include_conversations=true`))
      expect(roundTrips).toBeLessThanOrEqual(3)
      const { child, topics_explored, cognitive_growth, conversations } = result.body.data
      expect(child).toEqual({ id: family.childId, name: 'Emma' })
      expect(topics_explored).toEqual([
        {
          topic_id: TOPIC.space,
          name: 'Space',
          time_spent_minutes: 3,
          depth_change: { from: 0, to: 2 },
          sample_questions: ['How big is the Sun?', 'Why do stars twinkle?'],
        },
      ])
      expect(Object.keys(cognitive_growth)).toEqual(['critical_thinking', 'creative_thinking', 'logical_reasoning', 'knowledge_connection'])
      expect(cognitive_growth.critical_thinking.score).toBeGreaterThan(0)
      expect(cognitive_growth.critical_thinking.change).toBe(cognitive_growth.critical_thinking.score)
      expect(conversations).toEqual([
        {
          id: expect.any(String),
          topic: 'Space',
          date: expect.any(String),
          duration_minutes: 3,
          depth_reached: 2,
          excerpt: expect.stringMatching(/^Emma explored /),
        },
      ])
      expect((await get(family, `/children/${family.childId}/activity`)).body.data.conversations).toBeUndefined()
    })
  })

  describe('conversation list', () => {
    it('pages from the newest, by topic and by local day, restricted topics too', async () => {
      const family = await makeFamily(server.api)
      const ids: string[] = []
      for (const topic of [TOPIC.space, TOPIC.animals, TOPIC.space]) {
        server.clock.advance(MINUTE_MS)
        ids.unshift(await talk(family, topic, 0))
      }
      await startConversation(server.api, family)
      await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { restricted_topics: [TOPIC.animals] } } })
      const list = `/children/${family.childId}/conversations`
      const first = await get(family, `${list}?limit=2`)
      const second = await get(family, `${list}?limit=2&cursor=${first.body.meta.cursor}`)
      const listed = [...first.body.data, ...second.body.data]
      expect(listed.map((line: { id: string }) => line.id)).toEqual(ids)
      expect([first.body.meta.has_more, second.body.meta.has_more, second.body.meta.cursor]).toEqual([true, false, null])
      expect(listed[0]).toMatchObject({ topic: { id: TOPIC.space, name: 'Space' }, messages_count: 2, depth_reached: 1, ended_at: expect.any(String) })
      expect((await get(family, `${list}?topic_id=${TOPIC.animals}`)).body.data.map((line: { id: string }) => line.id)).toEqual([ids[1]])
      expect((await get(family, `${list}?from_date=2026-11-21&to_date=2026-11-21`)).body.data).toHaveLength(3)
      expect((await get(family, `${list}?to_date=2026-11-20`)).body.data).toEqual([])
      expectRefusal(await get(family, `${list}?from_date=2026-11-22&to_date=2026-11-21`), 400, 'VALIDATION_ERROR', 'to_date')
      for (const [query, field] of [
        ['from_date=yesterday', 'from_date'],
        ['to_date=9999-12-31', 'to_date'],
        ['limit=0', 'limit'],
        ['cursor=xyz', 'cursor'],
        ['topic_id=space', 'topic_id'],
      ]) {
        expectRefusal(await get(family, `${list}?${query}`), 400, 'VALIDATION_ERROR', field)
      }
    })
  })

  describe('whole conversation', () => {
    it('holds every word in order, and the replies that the child reported', async () => {
      const family = await makeFamily(server.api)
      const conversation = await startConversation(server.api, family)
      const turn = await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')
      const replyId = turn.body.data.assistant_message.id
      const report = (messageId: string, token = family.token) =>
        server.api.post(`/v1/conversations/${conversation}/messages/${messageId}/report`, { token, child: family.childId })
      expect([(await report(replyId)).status, (await report(replyId)).status]).toEqual([201, 201])
      expectRefusal(await report(turn.body.data.user_message.id), 404, 'NOT_FOUND')
      expectRefusal(await report(newId()), 404, 'NOT_FOUND')
      const { data } = (await get(family, `/conversations/${conversation}`)).body
      expect(data.messages.map((message: { role: string }) => message.role)).toEqual(['assistant', 'user', 'assistant'])
      expect(data.messages[1].content).toBe('Why do stars twinkle?')
      expect(data.safety_flags).toEqual([
        {
          ...{ id: expect.any(String), child_id: family.childId, conversation_id: conversation, message_id: replyId },
          ...{ category: 'reported', severity: 'low', action: 'shown_to_parent', created_at: expect.any(String), acknowledged_at: null },
        },
      ])
      expectRefusal(await get(await makeFamily(server.api), `/conversations/${conversation}`), 404, 'NOT_FOUND')
      expectRefusal(await get(family, `/conversations/${newId()}`), 404, 'NOT_FOUND')
      expectRefusal(await get(family, '/conversations/x'), 400, 'VALIDATION_ERROR', 'conversation_id')
    })
  })
})
