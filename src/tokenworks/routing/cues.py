"""Words that tell what is to be done, in several languages, and how much each of them tells."""

from __future__ import annotations

Told = dict[str, tuple[tuple[str, float], ...]]

# For each task: words, or pairs of words that follow one another, with their weight. Lower case.
_CUES: dict[str, dict[float, str]] = {
    "translation": {
        3.5: "translate|translation|translated|traduis|traduire|traduce|traducir|traduci|übersetze|"
        "übersetzen|übersetzung|traduza|переведи|переведите|перевод|into french|into german|"
        "into spanish|into english|into chinese|into japanese|into italian|to french|"
        "to german|to spanish|to english|to chinese|to japanese|auf deutsch|auf englisch|"
        "en français|en anglais|al español|al inglés|en español|in english",
    },
    "summary": {
        3.5: "summarize|summarise|summary|summarization|tldr|tl;dr|zusammenfassung|zusammenfassen|"
        "résume|résumé|resume el|resumir|resumen|riassumi|резюмируй|key points|key takeaways|"
        "main points|in brief|fasse den|condense this|shorten this|bullet points|"
        "executive summary|fasse diesen|fasse das|the gist",
    },
    "extraction": {
        3.2: "extract|extracting|extrahiere|extrais|extrae|извлеки|named entities|as json|in json|"
        "json format|to json|return json|json object|csv format|as csv|key value|all names|"
        "all dates|email addresses|phone numbers|list all|parse the|pull out|fill in|"
        "structured data|json array|identify all|the fields",
        1.2: "json|entities|fields|mentioned|invoice|following text|schema",
    },
    "classification": {
        3.2: "classify|classification|categorize|categorise|sentiment|klassifiziere|classifie|"
        "clasifica|label the|label this|label each|spam or|positive or|positive negative|"
        "which category|is toxic|one of|категорию",
        1.0: "positive|negative|neutral|label|labels|category|categories|intent|toxic",
    },
    "code": {
        2.6: "python|javascript|typescript|golang|kotlin|c++|sql|regex|bash|dockerfile|kubernetes|"
        "html|css|refactor|debug|compile|compiler|stacktrace|traceback|segfault|algorithm|"
        "unittest|leetcode|pytest|django|flask|react|pandas|numpy|программу|fonction python|"
        "python funktion|unit test|unit tests|pull request|shell script|rust function|"
        "rust program|java class|java program|api endpoint|null pointer|this code|my code|"
        "the code",
        1.4: "function|code|script|bug|class|method|array|loop|query|database|exception|implement|"
        "api|java|rust|program|codebase|repository|variable|string|linked list|binary tree|"
        "hash map|docker|nginx|linux|error",
    },
    "math": {
        2.6: "calculate|compute|solve|equation|integral|derivative|integers|polynomial|triangle|"
        "probability|berechne|calcule|calcula|вычисли|simplify|factorize|theorem|prove|proof|"
        "matrix|eigenvalue|modulo|remainder|divisible|hypotenuse|perimeter|square root|"
        "prime numbers|how many|arithmetic|löse die|résous|résoudre|resuelve|решите|gleichung",
        1.0: "sum|product|number|numbers|percent|percentage|total|average|ratio|area|volume|angle|"
        "each|cost|real|expression|positive integer|function|evaluate",
    },
    "reasoning": {
        2.8: "puzzle|riddle|logic|logical|deduce|deduction|syllogism|knights|knaves|cipher|decrypt|"
        "encrypt|ciphertext|plaintext|encryption|crossword|sudoku|trolley|paradox|step by|"
        "valid argument|premises|rätsel|énigma|énigme|acertijo|rules|river crossing|"
        "monty hall|must be|cannot be|truth teller|counterfactual|if all",
        1.0: "suppose|imagine|therefore|conclude|assume|constraint|constraints|infer|true|false|"
        "always|exactly|left|between|statements|game|operation|following rules",
    },
    "writing": {
        2.8: "essay|poem|haiku|story|blog|article|lyrics|sonnet|screenplay|slogan|tagline|"
        "cover letter|press release|blog post|short story|product description|newsletter|"
        "speech|schreibe|écris|écrire|escribe|scrivi|напиши|rewrite|rephrase|paraphrase|"
        "proofread|gedicht|poème|poema|email to|an email|a letter|a tweet|limerick|"
        "copywriting|grammar|compose|reword|more formal|aufsatz|brief an",
        1.6: "write|draft|tone|paragraph|words|creative|engaging|persuasive|headline|title|polish|improve",
    },
    "roleplay": {
        3.4: "roleplay|role-play|role play|pretend|you're a|act as|acting as|stay in|in character|"
        "as if|persona|embrace the|dungeon master|game master|text adventure|pretend you|"
        "be my|jeu de|joue le|spiele die|actúa como|the voice|picture yourself|"
        "imagine yourself|imagine you|притворись|представь что",
        1.0: "character|captain|wizard|pirate|detective|tavern|scene|stark|sheldon",
    },
    "knowledge": {
        2.0: "who was|who is|who invented|what is|what are|what was|when did|when was|where is|"
        "where was|capital of|which country|which of|explain|define|definition|"
        "difference between|history of|describe how|was ist|wer war|wann|qu'est|qui était|"
        "qué es|quién fue|что такое|кто такой|how does|how do|why does|why do|why is|how did|"
        "symptoms|causes of|tell me|meaning of|wie funktioniert|expliquer|explique|erkläre|"
        "объясни",
        0.8: "what|which|who|when|where|why|country|century|war|president|theory|disease|law|"
        "chemical|species|planet|author|treaty|capital|is",
    },
    "agent": {
        3.2: "tool call|tool calls|your tools|available tools|working directory|the repository|"
        "this repository|browse the|open the|search the|click on|run the|the terminal|"
        "pull request|github issue|function calls|todo list|book a|book me|navigate to|"
        "file system|use tools|use the|commit the|fix the|edit the|deploy the|the tests|on my|"
        "in my",
        1.0: "agent|tool|tools|terminal|browser|workspace|repo|commit|branch|search|folder|"
        "directory|calendar|schedule",
    },
    "chat": {
        2.2: "hi|hello|hey|thanks|thank|hallo|bonjour|hola|ciao|привет|good morning|good evening|"
        "how are|what's up|i feel|i'm feeling|feeling sad|my girlfriend|my boyfriend|"
        "my friend|my boss|any advice|your favorite|do you|are you|should i|danke|merci|"
        "gracias|i'm so|what should|recommend me|wie geht|ça va|cómo estás",
        1.0: "recommend|advice|feel|think|favorite|love|weekend|bored|lonely|opinion|suggest|"
        "suggestions|tips|you",
    },
}

# Scripts without spaces: pieces that are looked for anywhere.
_PIECES: dict[str, dict[float, str]] = {
    "translation": {3.5: "翻译|译成|翻訳|英訳|和訳|번역"},
    "summary": {3.5: "总结|概括|摘要|要約|まとめて|요약"},
    "extraction": {3.2: "提取|抽取|抽出|추출|找出所有"},
    "classification": {3.2: "分类|情感|分類|归类|분류"},
    "code": {
        2.6: "代码|编程|脚本|程序|函数实现|写一个函数|コード|プログラム|코드|正则",
        1.2: "函数|报错|数据库",
    },
    "math": {2.6: "计算|方程|求解|证明|概率|積分|計算して|求和|几何|계산|方程式", 1.4: "求|多少"},
    "reasoning": {2.8: "推理|谜题|逻辑|谜语|真话|假话|パズル|論理|추리"},
    "writing": {2.8: "写一篇|写一首|作文|文章|诗|润色|改写|文案|邮件|小説|作文して|詩|써줘|故事|写一封"},
    "roleplay": {3.6: "扮演|你现在是|假装你|角色|ロールプレイ|になりきって|역할"},
    "knowledge": {2.0: "什么是|是什么|为什么|谁是|是谁|解释|介绍|とは|なぜ|무엇|왜|哪个|哪一年|首都"},
    "agent": {3.2: "调用工具|使用工具|打开网页|浏览器|仓库|运行测试"},
    "chat": {2.2: "你好|谢谢|您好|こんにちは|ありがとう|안녕|心情|无聊|聊聊|怎么办|推荐"},
}


def _turned(cues: dict[str, dict[float, str]]) -> Told:
    found: dict[str, list[tuple[str, float]]] = {}
    for task, by_weight in cues.items():
        for weight, words in by_weight.items():
            for word in words.split("|"):
                found.setdefault(word, []).append((task, weight))
    return {word: tuple(told) for word, told in found.items()}


_ALL = _turned(_CUES)
WORDS: Told = {word: told for word, told in _ALL.items() if " " not in word}
PAIRS: Told = {word: told for word, told in _ALL.items() if " " in word}
FIRSTS = frozenset(pair.partition(" ")[0] for pair in PAIRS)  # what a pair may begin with
IDEOGRAPHIC: Told = _turned(_PIECES)
