import { describe, expect, it } from 'vitest'
import { localModerators } from '../../src/safety/moderation/moderation.ts'
import { HOSTILE } from './hostile-texts.ts'

const { moderate, moderateReply } = localModerators()

/** Twenty times what a child can send. */
const LENGTH = 20_000
/** What is hardest takes some six times as long as plain words; where the time grows with the square of the length it is thirty times and more. */
const MOST_TIMES = 15

const timeOf = (text: string): number => {
  const began = performance.now()
  moderate(text)
  return performance.now() - began
}
const plain = 'why do the planets go round the sun and never fall into it? '.repeat(LENGTH / 60)

describe('the local rules', () => {
  // Attack: a text that keeps the filter busy holds up every other child.
  it('take time in proportion to the text, whatever it is made of', () => {
    timeOf(plain)
    const usual = Math.min(timeOf(plain), timeOf(plain), timeOf(plain))
    const slow = Object.entries(HOSTILE).filter(([, text]) => {
      const hostile = text(LENGTH)
      return timeOf(hostile) > MOST_TIMES * usual && timeOf(hostile) > MOST_TIMES * usual
    })
    expect(slow.map(([name]) => name)).toEqual([])
  })

  it('find an address at the end of a word as long as the text', () => {
    const { categories, text } = moderate(`write to ${'a'.repeat(500)}@example.org`)
    expect(categories).toEqual(['personal_data'])
    expect(text).not.toContain('@')
  })

  it('find every address of a list', () => {
    const { text } = moderate('mail leo@example.org or mia.l+2@post.example.com and ask noah_7@example.net')
    expect(text).toBe('mail [email] or [email] and ask [email]')
  })

  it('cross out the words that tell, wherever they stand', () => {
    expect(moderate('hello 👋 my password is otter77 and my login is zebra').text).toBe('hello 👋 my password is [secret] and my login is [secret]')
    expect(moderate('my address is 12 oak road and my dads address is 14 hill close').text).toBe('my address is [address] and my dads address is [address]')
    expect(moderate('ﬀ ß ½ my phone number is 0791 555 0134').text).toBe('ﬀ ß ½ my phone number is [phone]')
  })

  it('read signs that stand for a few letters, not those that stand for a phrase', () => {
    expect(moderate('🆈🅾🆄 ⒜re ⓢⓣⓤⓟⓘⓓ').categories).toContain('bullying')
    expect(moderate('what does ﷺ mean').categories).toEqual([])
  })

  it('judge the same before and after they are made ready', async () => {
    const fresh = localModerators()
    await fresh.prepare()
    for (const text of ['i want to die', 'why is the sky blue?', 'my phone number is 0791 555 0134']) {
      expect(fresh.moderate(text)).toEqual(moderate(text))
      expect(fresh.moderateReply(text)).toEqual(moderateReply(text))
    }
  })
})
