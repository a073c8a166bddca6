import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type Outage, watchOutage } from '../../src/learning/gateway/outage.ts'
import { until } from '../helpers/pressure.ts'

/** Something that answers and can be worked with, or not, as the test says; tells what happened to it. */
function thing() {
  const state = { answers: true, works: true, resumeMs: 0 }
  const happened: string[] = []
  const errors: unknown[] = []
  const outage: Outage = watchOutage({
    async answers() {
      if (!state.answers) throw new Error('no answer')
    },
    onAlone: () => void happened.push('alone'),
    async resume() {
      await delay(state.resumeMs)
      if (!state.works) throw new Error('it answers, but does nothing')
      happened.push('resumed')
    },
    catchUp: async () => void happened.push('caught up'),
    onError: (error) => errors.push(error),
  })
  return { state, happened, errors, outage }
}

it('an outage that ends soon is waited for', async () => {
  const { outage, happened, errors } = thing()
  outage.stumble(new Error('failed'))
  expect([outage.isTroubled, outage.isAlone, outage.isOver]).toEqual([true, false, false])
  await until(() => outage.isOver)
  expect([outage.isTroubled, happened, errors.length]).toEqual([false, ['resumed', 'caught up'], 1])
  outage.close()
})

it('an outage that lasts is not: things go on without, are tried again, and told of once', async () => {
  const { state, outage, happened, errors } = thing()
  state.answers = false
  outage.stumble(new Error('failed'))
  await until(() => outage.isAlone)
  state.answers = true
  state.works = false
  outage.stumble(new Error('failed again'))
  await until(() => happened.length > 1)
  expect([outage.isAlone, outage.isTroubled, new Set(happened)]).toEqual([true, true, new Set(['alone'])])
  state.works = true
  await until(() => outage.isOver)
  expect([outage.isAlone, happened.slice(-2), errors.length]).toEqual([false, ['resumed', 'caught up'], 1])
  outage.close()
})

it('an outage whose consequences take longer than patience lasts is no reason to go on without', async () => {
  const { state, outage, happened } = thing()
  state.resumeMs = 1_200
  outage.stumble()
  await until(() => outage.isOver)
  expect([outage.isAlone, happened]).toEqual([false, ['resumed', 'caught up']])
  outage.close()
})

it('an outage can be called lasting at once', async () => {
  const { outage, happened } = thing()
  outage.stumble()
  outage.goAlone()
  outage.goAlone()
  expect([outage.isAlone, happened]).toEqual([true, ['alone']])
  await until(() => outage.isOver)
  expect(happened).toEqual(['alone', 'resumed', 'caught up'])
  outage.close()
})
