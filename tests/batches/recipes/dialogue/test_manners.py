"""What is wrong with something said in a conversation."""

from tokenworks.batches.recipes.dialogue.manners import out_of_character, repeated

SAID = "We sail with the tide, if the harbour master lets us go."


def test_what_was_said_before_is_noticed() -> None:
    assert repeated(SAID.upper(), [SAID]) == "it says what was said in the last answer"
    assert repeated(SAID, [SAID, "Something else altogether was said here."]).endswith("2 answers before")
    assert repeated(SAID, [SAID, *["Something else altogether was said here."] * 3]) == ""
    assert repeated(SAID + " But first we must find the cook and pay him.", [SAID]) == ""
    assert repeated("Yes, of course.", ["Yes, of course."]) == ""
    assert repeated(SAID, []) == ""


def test_scripts_without_spaces() -> None:
    said = "我们明天早上和潮水一起出发，如果港口的主人让我们走的话，就不会再等了。"
    assert repeated(said, [said])
    assert repeated("他们昨天晚上已经到了，带来了三封信和一张旧地图，还有船长的问候与祝福。", [said]) == ""


def test_forbidden_phrases_are_found_as_words() -> None:
    assert "“As an AI”" in out_of_character("Well, as  an AI\nI can't say.", ["As an AI"])
    assert "don't" in out_of_character("I don’t know", ["I don't"])
    assert out_of_character("an aide", ["an ai"]) == ""
    assert out_of_character("我是语言模型。", ["语言模型"])
    assert out_of_character("anything", ["", "  "]) == ""
