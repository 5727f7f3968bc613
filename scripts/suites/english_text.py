"""Short English paragraphs for perplexity, in many registers and on many topics.

Each was written for this suite, in one sitting and without looking at any source;
none was chosen or dropped for its score.
"""

from __future__ import annotations

from ._items import Item

_TEXTS = (
    # stories and scenes
    "The old ferry left the island at dusk. Nobody waved from the pier except the "
    "baker's boy, who had nothing else to do on a Tuesday.",
    "Marta counted the coins twice and put them back in the jar. There was enough "
    "for the rent, but not for the new boots she had promised her son.",
    "By the time the band arrived, half of the guests had gone home and the other "
    "half were dancing to a broken radio in the kitchen.",
    "The dog had learned to open the gate. Every evening we found him waiting by "
    "the mailbox, as proud as a soldier after a parade.",
    '"You never told me you could sing," she said. He shrugged, closed the piano, '
    "and asked whether there was any soup left.",
    "Snow fell all night over the valley, and in the morning the village had no "
    "roads, no fences, and no sound at all.",
    # letters and notices
    "Dear Mr. Collins, thank you for your letter of May 4. I am sorry to say that "
    "the committee cannot accept late applications this year.",
    "Hi Jo, I left the keys under the blue pot. Please feed the cat twice a day and "
    "do not believe her when she says she is still hungry.",
    "Notice to residents: the water will be turned off on Thursday between nine "
    "and noon while the pipes in the basement are replaced.",
    "We regret that the museum is closed today because of a staff meeting. Tickets "
    "that were bought online remain valid until the end of the month.",
    "To whom it may concern: Ms. Okafor worked in our laboratory for three years "
    "and was always careful, honest, and pleasant to work with.",
    # instructions
    "Wash the lentils under cold water, then simmer them with an onion and a bay "
    "leaf for about twenty minutes. Add the salt at the end.",
    "Before you change the bulb, switch off the power and let the lamp cool down. "
    "Turn the old bulb to the left until it comes loose.",
    "To reset the device, hold the small button on the back for ten seconds. The "
    "green light will blink twice when the reset is complete.",
    "Fold the paper in half along the long side, open it again, and bring the two "
    "top corners down to meet at the center line.",
    "Plant the bulbs in autumn, about three times as deep as they are tall, with "
    "the pointed end facing up. Water them once and wait for spring.",
    # science and nature
    "A glacier is a river of ice that moves so slowly that nobody can see it flow. "
    "Over thousands of years it can carve a whole valley.",
    "Bats find insects in the dark by listening to their own echoes. The closer the "
    "insect is, the faster the calls of the bat become.",
    "When salt dissolves in water, its crystals break up into charged particles. "
    "This is why salt water carries an electric current so well.",
    "Most of the light that reaches a leaf is not used. The plant keeps the red and "
    "the blue part, and throws away much of the green.",
    "The moon always shows us the same side because it turns once around its axis "
    "in the time that it needs to travel once around the earth.",
    "A vaccine shows the immune system a harmless piece of a germ, so that the body "
    "can recognize the real one quickly if it ever arrives.",
    "Earthquakes cannot be predicted to the day, but a map of past ones tells us "
    "quite well where the next large one is likely to be.",
    # history and society
    "For centuries the town lived on salt. When the mines closed, the young people "
    "left, and the old storehouses became hotels and galleries.",
    "The first railways frightened many people, who feared that the human body "
    "could not survive a speed of thirty miles an hour.",
    "Paper reached Europe slowly, carried by traders from the east, and for a long "
    "time many clerks refused to trust it for anything important.",
    "A city is cheap to run when people live close together, since every pipe, "
    "bus line, and school then serves more of them.",
    "In most democracies the parliament can dismiss the government, but it seldom "
    "does so, because its own members would have to face an election.",
    # news and reports
    "The council voted on Monday to rebuild the old bridge. Work will begin in "
    "March and is expected to cost about four million dollars.",
    "Heavy rain delayed trains across the region this morning. No one was hurt, "
    "but several hundred travelers had to wait for more than two hours.",
    "The home team won by a single goal in the final minute, after a match that "
    "had offered very little to cheer about until then.",
    "Sales rose by six percent in the third quarter, mainly because of strong "
    "demand abroad, while profits fell slightly as energy became more expensive.",
    "A farmer in the north has grown a pumpkin as heavy as a small car. She says "
    "that the secret is patience and a great deal of water.",
    # opinion and reflection
    "I have never understood why people apologize for reading slowly. A book is "
    "not a bus, and nobody is waiting for you at the last stop.",
    "The best meetings I remember were short. Somebody asked a clear question, "
    "somebody else knew the answer, and we all went back to work.",
    "Travel does not make everyone wiser, but it does teach one thing to everybody: "
    "how little of our own luggage we really need.",
    "People often ask what the painting means. I think it means that the painter "
    "had a window, a quiet afternoon, and too much blue.",
    "If you want to learn a language, be ready to sound foolish for a year. It is "
    "a fair price, and everyone who listens will forgive you.",
    # work and technology
    "The update fixes a bug that caused the program to stop when a file name "
    "contained a space. Please restart your computer after you install it.",
    "A good password is long and easy to remember. Four random words are better "
    "than one short word that is full of symbols.",
    "Our team measures the delay between a request and its answer. If the average "
    "rises above one second, an engineer receives a message.",
    "The contract may be ended by either party with thirty days of notice in "
    "writing. Any fees that are due at that time remain payable.",
    "The new printer is faster than the old one, but it needs special paper, and "
    "nobody in the office knows where the paper is kept.",
    # conversation and daily life
    '"Is this seat taken?" "No, please sit down." "Thank you. Do you know if this '
    'train stops at Milford?" "It does, but only on weekdays."',
    '"How was the exam?" "Strange. The first half was easy, and then there was a '
    'question about rivers that none of us had expected."',
    "My grandmother never used a recipe. She tasted, frowned, added something from "
    "an unlabeled jar, and tasted again until she smiled.",
    "We moved into the apartment in June. The kitchen was tiny and the stairs were "
    "steep, but from the bathroom you could see the harbor.",
    "The bus was late again, so I walked. It rained a little, and I found a shop "
    "that repairs clocks two streets away from my house.",
    # health, law, money, advice
    "Walking for half an hour a day lowers blood pressure in most adults. It does "
    "not matter much whether you walk in the morning or at night.",
    "If the pain lasts for more than three days, or if you develop a fever, stop "
    "taking the tablets and speak to your doctor.",
    "The witness said that she had seen a white van outside the shop at about ten, "
    "but she could not describe the man who was driving it.",
    "Interest is the price of borrowing money. If you pay back only the interest, "
    "the debt itself never becomes any smaller.",
    "Keep your receipts for at least one year. Without them the store may refuse "
    "to repair the product, even if it is still under warranty.",
    "A map is a useful lie. It leaves out nearly everything, and what it keeps is "
    "the wrong size, yet it brings us home.",
)


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Perplexity items, one a paragraph.
    """
    return [
        {"id": f"english_text-{number:03d}", "text": text}
        for number, text in enumerate(_TEXTS, start=1)
    ]
