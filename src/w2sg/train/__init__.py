"""w2sg.train"""
